//go:build tools

// Package tools pins containerd's commands in a module of their own, so that
// their dependencies and Kubernetes' don't fight.
package tools

import (
	_ "github.com/containerd/containerd/v2/cmd/containerd"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
	_ "github.com/containerd/containerd/v2/cmd/ctr"
)
