//go:build !unix

package overlay

import (
	"os/exec"
	"time"
)

// endWithChildren bounds the wait for what a killed go command leaves behind.
func endWithChildren(cmd *exec.Cmd) { cmd.WaitDelay = 5 * time.Second }
