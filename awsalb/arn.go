package awsalb

import (
	"strings"

	"github.com/seed-22400188/jwks/internal/show"
)

// keyBase checks the ARN of a load balancer and says where its keys are: at
// custom, unless that is "", or at the place of its region.
func keyBase(arn, custom string) (string, error) {
	bad := func(text string) (string, error) {
		return "", configError("New: " + show.Own(arn) + " " + text)
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "elasticloadbalancing" {
		return bad("is not the ARN of a load balancer, want arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID")
	}
	partition, region, account, resource := parts[1], parts[3], parts[4], parts[5]
	name, id, ok := strings.Cut(strings.TrimPrefix(resource, "loadbalancer/app/"), "/")
	switch {
	case !strings.HasPrefix(resource, "loadbalancer/app/"): // others do not sign users in
		return bad("is not of an Application Load Balancer, want …:loadbalancer/app/NAME/ID")
	case !ok || !isName(name) || !isName(id):
		return bad("has no name and ID, want …:loadbalancer/app/NAME/ID")
	case !isName(account):
		return bad("has no account")
	case !isName(region) || strings.ToLower(region) != region: // it becomes a part of a URL
		return bad("has no region")
	case custom != "":
		return custom, nil
	}
	switch partition {
	case "aws":
		return "https://public-keys.auth.elb." + region + ".amazonaws.com", nil
	case "aws-cn":
		return "https://public-keys.auth.elb." + region + ".amazonaws.com.cn", nil
	case "aws-us-gov":
		return "https://s3-" + region + ".amazonaws.com/aws-elb-public-keys-prod-" + region, nil
	}
	return bad("is in a partition whose keys are at an unknown place: use WithBaseURL")
}

// isName accepts letters, digits and inner hyphens.
func isName(s string) bool {
	odd := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && !strings.ContainsFunc(s, odd)
}
