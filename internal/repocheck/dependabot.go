package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// checkDependabot wants that every module, every package.json and the workflows
// are looked after, in groups.
func checkDependabot(root string) (problems []string) {
	file := filepath.Join(root, ".github", "dependabot.yml")
	content, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	var config struct {
		Version int
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directory   string   `yaml:"directory"`
			Directories []string `yaml:"directories"`
			Schedule    struct{ Interval string }
			Groups      map[string]any
		}
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return []string{fmt.Sprintf("%s: %v", file, err)}
	}
	if config.Version != 2 {
		problems = append(problems, fmt.Sprintf("%s: version %d, want 2", file, config.Version))
	}
	looked := map[string][]string{}
	for n, update := range config.Updates {
		if update.Schedule.Interval == "" || len(update.Groups) == 0 {
			problems = append(problems, fmt.Sprintf("%s: update %d (%s) has no schedule or no groups", file, n, update.Ecosystem))
		}
		places := update.Directories
		if update.Directory != "" {
			places = append(places, update.Directory)
		}
		looked[update.Ecosystem] = append(looked[update.Ecosystem], places...)
	}
	wanted, err := manifests(root)
	if err != nil {
		return append(problems, err.Error())
	}
	for _, w := range wanted {
		if !covers(looked[w.ecosystem], w.directory) {
			problems = append(problems, fmt.Sprintf("%s: nothing of %s looks after %s", file, w.ecosystem, w.directory))
		}
	}
	return problems
}

func covers(patterns []string, directory string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, directory); ok && err == nil {
			return true
		}
	}
	return false
}

type manifest struct{ ecosystem, directory string }

// manifests finds what has dependencies. Directories begin with a slash, as
// dependabot writes them.
func manifests(root string) (found []manifest, err error) {
	ecosystems := map[string]string{"go.mod": "gomod", "package.json": "npm"}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "node_modules" || name == "testdata" || name == ".git") {
			return filepath.SkipDir
		}
		if ecosystem := ecosystems[name]; ecosystem != "" {
			relative, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			found = append(found, manifest{ecosystem, path.Join("/", filepath.ToSlash(relative))})
		}
		return nil
	})
	return append(found, manifest{"github-actions", "/"}), err
}

// checkTemplates wants issue forms that the form reader takes.
func checkTemplates(root string) (problems []string) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "ISSUE_TEMPLATE", "*.yml"))
	if err != nil || len(files) == 0 {
		return []string{fmt.Sprintf("%s: no issue templates: %v", root, err)}
	}
	for _, file := range files {
		if filepath.Base(file) == "config.yml" {
			continue
		}
		if err := checkTemplate(file); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", file, err))
		}
	}
	return problems
}

func checkTemplate(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var form struct {
		Name, Description string
		Body              []struct {
			Type, ID   string
			Attributes struct{ Label, Value string }
		}
	}
	if err := yaml.Unmarshal(content, &form); err != nil {
		return err
	}
	if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
		return errors.New("want name, description and body")
	}
	seen := map[string]bool{}
	for n, element := range form.Body {
		switch element.Type {
		case "markdown":
			if element.Attributes.Value == "" {
				return fmt.Errorf("element %d: markdown without a value", n)
			}
		case "input", "textarea", "dropdown", "checkboxes":
			if element.ID == "" || seen[element.ID] || element.Attributes.Label == "" {
				return fmt.Errorf("element %d: want an id of its own and a label", n)
			}
			seen[element.ID] = true
		default:
			return fmt.Errorf("element %d: unknown type %q, want one of %s", n, element.Type,
				strings.Join([]string{"markdown", "input", "textarea", "dropdown", "checkboxes"}, ", "))
		}
	}
	return nil
}
