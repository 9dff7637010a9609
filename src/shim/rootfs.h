/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a container's root as containerd's snapshotters name them: type, source, options. */
#pragma once

#include "shim/messages.h"

typedef struct shim_mount_flags {
	unsigned long flags;       /* of mount(2) */
	unsigned long propagation; /* a second call; 0 = none */
	sp_str data;               /* what the file system itself reads, comma-separated, in the arena */
} shim_mount_flags;

/* SP_EUNSUPPORTED names an option that needs a helper (loop, uidmap …); SP_ETOOLARGE: more data than a page.
 */
sp_code shim_mount_parse(const shim_mount_msg *m, sp_arena *a, shim_mount_flags *ret,
			 sp_err *err) SP_MUST_USE;

/*
 * overlay's data cut for the kernel's page: when all lower directories share a parent (they do, in a
 * snapshotter's store), they are named relative to it and *ret_dir is the directory to mount from; else
 * *ret_dir is empty and the data as given.
 */
sp_code shim_overlay_shorten(sp_str data, sp_arena *a, sp_str *ret_dir, sp_str *ret_data,
			     sp_err *err) SP_MUST_USE;

/* Mounts all, in order, onto BUNDLE/rootfs (and targets below it, never outside). On an error nothing stays
 * mounted. */
sp_code shim_rootfs_mount(const char *bundle, const shim_mount_msg *mounts, size_t n,
			  sp_err *err) SP_MUST_USE;
/* Takes off whatever is mounted on BUNDLE/rootfs, again and again; lazily what is busy. */
sp_code shim_rootfs_unmount(const char *bundle, sp_err *err);
