//go:build unix

package overlay

import (
	"os/exec"
	"syscall"
	"time"
)

// endWithChildren makes the end of the context end the test binaries too, not
// only the go command that started them.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}
