//go:build tools

// Package tools pins runc in a module of its own.
package tools

import _ "github.com/opencontainers/runc"
