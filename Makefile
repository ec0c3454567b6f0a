# What each target does: make help. Everything works from a fresh clone with
# nothing but Go installed; tools run at pinned versions from the module proxy.

GO ?= go
# A count, not a time: before Go 1.27 a time limit that strikes in the middle of
# an input can fail a target that found nothing (golang.org/issue/75804).
FUZZTIME ?= 200000x
SCENARIOS ?= 5000
SEED ?= 1
MUTANTS ?=
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Modules of their own: `go test ./...` stops at their borders.
MODULES = $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod internal/*/go.mod bench/go.mod contrib/*/go.mod contrib/*/*/go.mod))

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile everything
	$(GO) build ./...

.PHONY: test
test: ## run the tests of the root module
	$(GO) test ./...

.PHONY: test-cached
test-cached: ## run them with a token cache in every verifier
	$(GO) test -tags jwks_tokencache ./...

.PHONY: race
race: ## run them under the race detector
	$(GO) test -race ./...

.PHONY: lint
lint: ## gofmt, vet, doc comments, go.mod, staticcheck, workflows
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run ./internal/doccheck . ./jwkstest ./jwkshttp ./jwksstore ./dpop ./cfaccess ./awsalb ./jwkskube ./cmd/jwks
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	cd internal/repocheck && $(GO) run . workflows ../..

.PHONY: vuln
vuln: ## known vulnerabilities in what the code calls
	$(GO) run $(GOVULNCHECK) ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (200000x, a count of inputs)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; \
	done

.PHONY: bench
bench: ## run the benchmarks of the library
	$(GO) test -run '^$$' -bench . -benchmem . ./internal/acceptance/...

.PHONY: bench-peers
bench-peers: ## compare with four other libraries; writes bench/RESULTS.md
	cd bench && $(GO) run . -out RESULTS.md -svg results.svg

.PHONY: model
model: ## run SCENARIOS random scenarios (5000) against the rules
	$(GO) test -count=1 -timeout 0 -run '^TestModel_Explore$$' -v ./internal/acceptance/model -args -scenarios=$(SCENARIOS) -seed=$(SEED)

.PHONY: model-faults
model-faults: ## put known faults into the code; the model must find each
	$(GO) run ./internal/acceptance/model/faults

.PHONY: mutants
mutants: ## change one line at a time; MUTANTS="-sample 50" for a few
	$(GO) run ./internal/mutants $(MUTANTS)

.PHONY: cover
cover: ## statement coverage by package, by the whole suite together
	@$(GO) test -coverpkg=./... -coverprofile=coverage.out ./...; passed=$$?; \
	awk 'NR > 1 { folder = $$1; sub("/[^/]*$$", "", folder); of[$$1] = folder; size[$$1] = $$2; if ($$3) hit[$$1] = 1 } \
		END { for (b in size) { all[of[b]] += size[b]; if (b in hit) got[of[b]] += size[b] }; \
		for (p in all) printf "%5.1f %% of %5d statements  %s\n", 100 * got[p] / all[p], all[p], p }' coverage.out | sort -k 6; \
	exit $$passed

.PHONY: modules
modules: ## vet and test the nested modules, and build their snippets
	@set -e; for module in $(MODULES); do \
		echo "== $$module"; \
		(cd $$module && $(GO) vet ./... && $(GO) test ./...); \
	done
	$(GO) test -run '^TestSnippets_Build$$' ./internal/acceptance/docs -args -modules

.PHONY: interop
interop: ## real issuers and clients; writes interop/RESULTS.md
	@if command -v npm >/dev/null; then cd interop && npm ci --ignore-scripts --no-audit --no-fund; \
		else echo "npm is missing: get Node.js 20 or newer; its parts will be skipped"; fi
	cd interop && $(GO) test -count=1 -timeout 8m -results RESULTS.md -least 8 .

.PHONY: release-check
release-check: ## can this tree be released? FINAL=-final on the day
	cd internal/repocheck && $(GO) run . release $(FINAL) ../..
