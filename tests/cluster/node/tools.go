//go:build tools

// Pins what kubectl needs beside the node's programs: it is built from this
// module on a machine that has none.
package main

import _ "k8s.io/kubernetes/cmd/kubectl"
