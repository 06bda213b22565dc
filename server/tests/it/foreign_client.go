// A client of golang.org/x/oauth2: foreign_client.go TOKEN_URL API KEY_ID SECRET SIGNER ASSERTION. Prints a line for
// each call: the name, and the status of the API's answer, or the status and error of the refusal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	tokenURL, api, keyID, secret := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	signer, assertion := os.Args[5], os.Args[6]
	config := func(style oauth2.AuthStyle, scopes ...string) clientcredentials.Config {
		return clientcredentials.Config{
			ClientID:     keyID,
			ClientSecret: secret,
			TokenURL:     tokenURL,
			Scopes:       scopes,
			AuthStyle:    style,
		}
	}
	call(api, "basic", config(oauth2.AuthStyleInHeader, "accounts:read"))
	call(api, "post", config(oauth2.AuthStyleInParams, "accounts:read"))
	call(api, "detected", config(oauth2.AuthStyleAutoDetect))
	call(api, "jwt", clientcredentials.Config{
		ClientID:  signer,
		TokenURL:  tokenURL,
		AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertion},
		},
	})
	call(api, "other_scope", config(oauth2.AuthStyleInHeader, "data:read"))
	call(api, "not_granted", config(oauth2.AuthStyleInHeader, "accounts:write"))
	wrong := config(oauth2.AuthStyleInHeader)
	wrong.ClientSecret = "wrong"
	call(api, "wrong_secret", wrong)
}

func call(api, name string, config clientcredentials.Config) {
	answer, err := config.Client(context.Background()).Get(api)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		var body struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(refused.Body, &body); err != nil {
			panic(err)
		}
		fmt.Println(name, refused.Response.StatusCode, body.Error)
		return
	}
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
	fmt.Println(name, answer.StatusCode)
}
