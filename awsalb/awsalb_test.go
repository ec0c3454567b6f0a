package awsalb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
	"github.com/seed-22400188/jwks/jwkshttp"
)

func TestVerify_AsDocumented(t *testing.T) {
	a := newAWS(t)
	id, err := a.validator().Verify(t.Context(), a.token(nil))
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "2c41" || id.Email != "ana@example.com" || id.Issuer != "https://login.example.com" || id.ClientID != "shop" || id.Signer != arn {
		t.Errorf("%+v", id)
	}
	if until := time.Until(id.Expires); until < time.Minute || until > 2*time.Minute {
		t.Errorf("expires in %v", until)
	}
	if string(id.Claims) != payload {
		t.Errorf("claims %s", id.Claims)
	}
	if want := "https://" + host + "/" + a.kid; len(a.requests) != 1 || a.requests[0] != want {
		t.Errorf("asked for %q, want %q", a.requests, want)
	}
}

// Claims that an issuer leaves out, or writes in its own way, cost nothing but
// themselves.
func TestVerify_FewClaims(t *testing.T) {
	a := newAWS(t)
	v := a.validator()
	for _, text := range []string{`{}`, `{"sub":null,"email":null}`, `{"email":["x"]}`} {
		id, err := v.Verify(t.Context(), a.sign(a.header(map[string]any{"iss": nil, "client": nil, "typ": nil}), text))
		if err != nil || id.Subject != "" || id.Email != "" || id.Issuer != "" || id.ClientID != "" {
			t.Errorf("%s: %+v, %v", text, id, err)
		}
	}
}

// Whatever differs from what a load balancer writes is refused, and before
// anything is fetched where nothing needs to be.
func TestVerify_Variations(t *testing.T) {
	a := newAWS(t)
	good := a.token(nil)
	part := strings.Split(good, ".")
	plain := func(s string) string { return strings.TrimRight(s, "=") }
	stray := "B==" // the last bits of a signature that encode nothing
	if part[2][85] == 'B' {
		stray = "C=="
	}
	h := func(changes map[string]any) string { return a.token(changes) }
	for rule, tt := range map[string]struct {
		token   string
		fetches bool
		reason  error
	}{
		"empty":                            {"", false, jwt.ErrTokenMalformed},
		"two segments":                     {part[0] + "." + part[1], false, jwt.ErrTokenMalformed},
		"four segments":                    {good + ".", false, jwt.ErrTokenMalformed},
		"no signature":                     {part[0] + "." + part[1] + ".", false, jwt.ErrTokenMalformed},
		"a signature without padding":      {plain(good), false, jwt.ErrTokenMalformed},
		"no padding at all, signed anew":   {a.signText(plain(padded([]byte(a.header(nil)+" "))) + "." + plain(part[1])), false, jwt.ErrTokenMalformed},
		"too much padding":                 {good + "==", false, jwt.ErrTokenMalformed},
		"padding in the middle":            {part[0] + "." + part[1] + ".A===" + part[2], false, jwt.ErrTokenMalformed},
		"stray bits":                       {good[:len(good)-3] + stray, false, jwt.ErrTokenMalformed},
		"the other alphabet":               {part[0] + "." + part[1] + "." + strings.Repeat("+", 86) + "==", false, jwt.ErrTokenMalformed},
		"a line break":                     {part[0] + "." + part[1] + ".\n" + part[2][1:], false, jwt.ErrTokenMalformed},
		"Bearer":                           {"Bearer " + good, false, jwt.ErrTokenMalformed},
		"too long":                         {strings.Repeat("A", 16<<10) + good, false, jwks.ErrTokenTooLarge},
		"a header that is not JSON":        {a.sign("SECRET", payload), false, jwt.ErrTokenMalformed},
		"a header member twice":            {a.sign(strings.Replace(a.header(nil), "{", `{"alg":"ES256",`, 1), payload), false, jwt.ErrTokenMalformed},
		"no alg":                           {h(map[string]any{"alg": nil}), false, jwt.ErrTokenMalformed},
		"alg none":                         {h(map[string]any{"alg": "none"}), false, jwks.ErrAlgorithmNotAllowed},
		"alg HS256":                        {h(map[string]any{"alg": "HS256"}), false, jwks.ErrAlgorithmNotAllowed},
		"alg RS256":                        {h(map[string]any{"alg": "RS256"}), false, jwks.ErrAlgorithmNotAllowed},
		"alg ES384":                        {h(map[string]any{"alg": "ES384"}), false, jwks.ErrAlgorithmNotAllowed},
		"alg in lower case":                {h(map[string]any{"alg": "es256"}), false, jwks.ErrAlgorithmNotAllowed},
		"alg is a number":                  {h(map[string]any{"alg": 256}), false, jwt.ErrTokenMalformed},
		"crit":                             {h(map[string]any{"crit": []string{"exp"}}), false, jwks.ErrUnsupportedCritical},
		"b64":                              {h(map[string]any{"b64": true}), false, jwks.ErrUnsupportedCritical},
		"no signer":                        {h(map[string]any{"signer": nil}), false, jwks.ErrIssuerNotTrusted},
		"another signer":                   {h(map[string]any{"signer": arn[:len(arn)-1] + "9"}), false, jwks.ErrIssuerNotTrusted},
		"a signer in upper case":           {h(map[string]any{"signer": strings.ToUpper(arn)}), false, jwks.ErrIssuerNotTrusted},
		"a signer with more behind it":     {h(map[string]any{"signer": arn + "0"}), false, jwks.ErrIssuerNotTrusted},
		"a signer in a list":               {h(map[string]any{"signer": []string{arn}}), false, jwt.ErrTokenMalformed},
		"SIGNER beside no signer":          {h(map[string]any{"signer": nil, "SIGNER": arn}), false, jwks.ErrIssuerNotTrusted},
		"no kid":                           {h(map[string]any{"kid": nil}), false, jwt.ErrTokenMalformed},
		"a kid that is a path":             {h(map[string]any{"kid": "../../../../private/123456789012345678"}), false, jwt.ErrTokenMalformed},
		"a kid with a query":               {h(map[string]any{"kid": a.kid[:35] + "?"}), false, jwt.ErrTokenMalformed},
		"a kid without hyphens":            {h(map[string]any{"kid": strings.ReplaceAll(a.kid, "-", "0")}), false, jwt.ErrTokenMalformed},
		"a kid in braces":                  {h(map[string]any{"kid": "{" + a.kid + "}"}), false, jwt.ErrTokenMalformed},
		"a kid that AWS does not know":     {h(map[string]any{"kid": uuid()}), true, jwks.ErrKeyNotFound},
		"no exp in the header":             {h(map[string]any{"exp": nil}), false, jwt.ErrTokenRequiredClaimMissing},
		"exp is text":                      {h(map[string]any{"exp": "4000000000"}), false, jwt.ErrTokenMalformed},
		"exp is beyond all years":          {h(map[string]any{"exp": 1e300}), false, jwt.ErrTokenMalformed},
		"expired":                          {h(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), true, jwt.ErrTokenExpired},
		"expired for good":                 {h(map[string]any{"exp": 0}), true, jwt.ErrTokenExpired},
		"client is a number":               {h(map[string]any{"client": 1}), false, jwt.ErrTokenMalformed},
		"another payload":                  {part[0] + "." + padded([]byte(`{"sub":"root"}`)) + "." + part[2], true, jwt.ErrTokenSignatureInvalid},
		"another header":                   {padded([]byte(a.header(map[string]any{"client": "x"}))) + "." + part[1] + "." + part[2], true, jwt.ErrTokenSignatureInvalid},
		"a signature of zeros":             {part[0] + "." + part[1] + "." + padded(make([]byte, 64)), true, jwt.ErrTokenSignatureInvalid},
		"a signature that is cut":          {part[0] + "." + part[1] + "." + padded(make([]byte, 63)), true, jwt.ErrTokenSignatureInvalid},
		"a payload that is not an object":  {a.sign(a.header(nil), `["SECRET"]`), true, jwt.ErrTokenMalformed},
		"a claim twice":                    {a.sign(a.header(nil), `{"sub":"a","sub":"b"}`), true, jwt.ErrTokenMalformed},
		"a payload that is not UTF-8":      {a.sign(a.header(nil), "{\"sub\":\"\xff\"}"), true, jwt.ErrTokenMalformed},
		"a subject that is a number":       {a.sign(a.header(nil), `{"sub":7}`), true, jwt.ErrTokenMalformed},
		"something behind the payload":     {a.sign(a.header(nil), payload+"{}"), true, jwt.ErrTokenMalformed},
		"a payload and header that change": {part[1] + "." + part[0] + "." + part[2], false, jwt.ErrTokenMalformed},
	} {
		t.Run(rule, func(t *testing.T) {
			before := a.count()
			id, err := a.validator().Verify(t.Context(), tt.token)
			mustBe(t, err, jwks.ErrTokenInvalid, tt.reason)
			if id != nil {
				t.Error("an identity came with the error")
			}
			if jwkshttp.StatusCode(err) != http.StatusUnauthorized {
				t.Errorf("status %d", jwkshttp.StatusCode(err))
			}
			if fetched := a.count() > before; fetched != tt.fetches {
				t.Errorf("fetched: %t", fetched)
			}
		})
	}
}

// The clocks of a service and of its load balancer may differ by the leeway.
func TestVerify_Leeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		token := a.token(map[string]any{"exp": time.Now().Unix()})
		time.Sleep(30*time.Second - time.Nanosecond)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		_, err := v.Verify(t.Context(), token)
		mustBe(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenExpired)
	})
}

// The ARN says the region and the partition, and those say where the keys are.
func TestNew_PlacesOfKeys(t *testing.T) {
	for at, base := range map[string]string{
		"aws:elasticloadbalancing:us-east-2":            "https://public-keys.auth.elb.us-east-2.amazonaws.com/",
		"aws-us-gov:elasticloadbalancing:us-gov-east-1": "https://s3-us-gov-east-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-east-1/",
		"aws-us-gov:elasticloadbalancing:us-gov-west-1": "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/",
		"aws-cn:elasticloadbalancing:cn-north-1":        "https://public-keys.auth.elb.cn-north-1.amazonaws.com.cn/",
	} {
		a := newAWS(t)
		own := "arn:" + at + ":123456789012:loadbalancer/app/web/1"
		a.publish(base+a.kid, &a.private.PublicKey)
		v := a.validator(arn, own)
		if id, err := v.Verify(t.Context(), a.token(map[string]any{"signer": own})); err != nil || id.Signer != own {
			t.Errorf("%s: %v", at, err)
		}
		if id, err := v.Verify(t.Context(), a.token(nil)); err != nil || id.Signer != arn {
			t.Errorf("%s beside it: %v", at, err)
		}
	}
}

func TestNew_BaseURL(t *testing.T) {
	a := newAWS(t)
	own := "arn:aws-iso:elasticloadbalancing:us-iso-east-1:1:loadbalancer/app/web/1"
	a.publish("https://keys.example/alb/"+a.kid, &a.private.PublicKey)
	v, err := awsalb.New([]string{own}, awsalb.WithBaseURL("https://keys.example/alb/"), awsalb.WithHTTPClient(a.client()))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Verify(t.Context(), a.token(map[string]any{"signer": own})); err != nil {
		t.Error(err)
	}
}

// Every bad argument is reported, and all at once.
func TestNew_BadArguments(t *testing.T) {
	for text, arns := range map[string][]string{
		"no load balancer":          nil,
		`"" is not the ARN`:         {arn, ""},
		`"web" is not the ARN`:      {"web"},
		"arn:aws:s3":                {"arn:aws:s3:::bucket/app/x/y"},
		"Application Load Balancer": {"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/web/1"},
		"no name and ID":            {"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web"},
		"want …:loadbalancer/app":   {arn + "/x"},
		"no account":                {"arn:aws:elasticloadbalancing:eu-west-1::loadbalancer/app/web/1"},
		"no region":                 {"arn:aws:elasticloadbalancing:evil.example/:1:loadbalancer/app/web/1"},
		"use WithBaseURL":           {"arn:aws-iso:elasticloadbalancing:us-iso-east-1:1:loadbalancer/app/web/1"},
	} {
		v, err := awsalb.New(arns)
		if v != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := awsalb.New([]string{"x"}, nil, awsalb.WithHTTPClient(nil), awsalb.WithBaseURL("http://keys.example"), awsalb.WithBaseURL("https://keys.example?a=b"))
	for _, text := range []string{`"x"`, "an option is nil", "WithHTTPClient", "WithBaseURL: the URL has a query", "AllowInsecureHTTP"} {
		if err == nil || text != "AllowInsecureHTTP" && !strings.Contains(err.Error(), text) || strings.Count(err.Error(), "jwks:") != 5 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What comes in place of a key is not the visitor's fault.
func TestKey_Unusable(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(p384.X, 0, 1), E: 3}
	for rule, tt := range map[string]struct {
		key  any    // published
		text string // or this
		want string
	}{
		"another curve":  {&p384.PublicKey, "", "want one P-256 key"},
		"RSA, weak":      {weak, "", "bits"},
		"a page":         {nil, "<html>SECRET</html>", "no PEM block"},
		"nothing":        {nil, "", "no PEM block"},
		"half of it":     {nil, "-----BEGIN PUBLIC KEY-----\nMFkwEwYH", "cut off"},
		"a private key":  {nil, "-----BEGIN PRIVATE KEY-----\nSECRETsE\n-----END PRIVATE KEY-----\n", ""},
		"endless":        {nil, strings.Repeat("-", 1<<20), ""},
		"not base64":     {nil, "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n", ""},
		"not a key":      {nil, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not readable"},
		"something else": {nil, "-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n", "EC PARAMETERS"},
	} {
		t.Run(rule, func(t *testing.T) {
			a := newAWS(t)
			if a.keys["https://"+host+"/"+a.kid] = tt.text; tt.key != nil {
				a.publish("https://"+host+"/"+a.kid, tt.key)
			}
			_, err := a.validator().Verify(t.Context(), a.token(nil))
			mustBe(t, err, jwks.ErrUnavailable)
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// Two keys in a document would leave it to chance which one counts.
func TestKey_TwoInOne(t *testing.T) {
	a := newAWS(t)
	at := "https://" + host + "/" + a.kid
	first := a.keys[at]
	other := newAWS(t)
	a.keys[at] = first + other.keys["https://"+host+"/"+other.kid]
	_, err := a.validator().Verify(t.Context(), a.token(nil))
	mustBe(t, err, jwks.ErrUnavailable, jwks.ErrInvalidKeySet)
}

func TestOutage_IsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		known := a.token(nil)
		if _, err := v.Verify(t.Context(), known); err != nil {
			t.Fatal(err)
		}
		a.rotate()
		for _, status := range []int{500, 503, 403, 429, 301, 204} {
			a.set(status, nil)
			_, err := v.Verify(t.Context(), a.token(nil))
			mustBe(t, err, jwks.ErrUnavailable)
			var failed *jwks.FetchError
			if !errors.As(err, &failed) || failed.StatusCode != status || failed.URL != "https://"+host+"/"+a.kid {
				t.Errorf("%d: %+v", status, failed)
			}
			if jwkshttp.StatusCode(err) != http.StatusServiceUnavailable {
				t.Errorf("status %d", jwkshttp.StatusCode(err))
			}
		}
		a.set(0, make(chan struct{})) // for ever
		before := time.Now()
		_, err := v.Verify(t.Context(), a.token(nil))
		mustBe(t, err, jwks.ErrUnavailable)
		if took := time.Since(before); took != 5*time.Second {
			t.Errorf("a key that does not come was waited for %v", took)
		}
		if _, err := v.Verify(t.Context(), known); err != nil {
			t.Errorf("a known key: %v", err)
		}
		a.set(0, nil)
		if _, err := v.Verify(t.Context(), a.token(nil)); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// One waits no longer than its own context, and the others keep the request.
func TestFlight_CallersGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		release := make(chan struct{})
		a.set(0, release)
		results := make(chan error, 20)
		for range 20 {
			go func() { _, err := v.Verify(t.Context(), a.token(nil)); results <- err }()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := v.Verify(ctx, a.token(nil))
		mustBe(t, err, jwks.ErrUnavailable, context.DeadlineExceeded)
		close(release)
		for range 20 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if a.count() != 1 {
			t.Errorf("%d requests, want 1", a.count())
		}
	})
}

func TestClose_EndsFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAWS(t)
		v := a.validator()
		a.set(0, make(chan struct{}))
		result := make(chan error)
		go func() { _, err := v.Verify(t.Context(), a.token(nil)); result <- err }()
		synctest.Wait()
		go func() { _ = v.Close() }()
		mustBe(t, <-result, jwks.ErrUnavailable, jwks.ErrClosed)
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		_, err := v.Verify(t.Context(), a.token(nil))
		mustBe(t, err, jwks.ErrUnavailable, jwks.ErrClosed)
	})
}
