/* The helper's binaries as they were built; meson gives their paths. */

.macro blob name, path
	.section .rodata
	.balign 16
	.globl podfs_blob_\name
	.type podfs_blob_\name, @object
podfs_blob_\name:
	.incbin "\path"
	.size podfs_blob_\name, . - podfs_blob_\name
	.globl podfs_blob_\name\()_end
podfs_blob_\name\()_end:
	.byte 0
.endm

#ifdef PODFS_HELPER_AMD64
	blob amd64, PODFS_HELPER_AMD64
#endif
#ifdef PODFS_HELPER_ARM64
	blob arm64, PODFS_HELPER_ARM64
#endif

	.section .note.GNU-stack, "", @progbits
