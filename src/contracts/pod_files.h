/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pods' directories need beyond io/file.h: owners, links, mounts. The node agent asks; today the agent
 * itself answers as root (node/files.c), later the process of a node that has root does. All calls block:
 * they are made from worker jobs, or at start-up. Paths are absolute; making what is there and removing what
 * is not are both SP_OK.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_pod_files sp_pod_files;

#define SP_POD_FILES_SAME UINT32_MAX /* an owner that is left as it is */

typedef struct sp_pod_file_owner {
	uint32_t uid, gid;
} sp_pod_file_owner;

/* What a directory and everything below it takes: bytes of blocks, files (of which each counts once, however
 * many names it has). */
typedef struct sp_pod_usage {
	uint64_t bytes, inodes;
} sp_pod_usage;

typedef enum sp_host_path_type {
	SP_HOST_PATH_ANY, /* "": nothing is looked at */
	SP_HOST_PATH_DIR_OR_CREATE,
	SP_HOST_PATH_DIR,
	SP_HOST_PATH_FILE_OR_CREATE,
	SP_HOST_PATH_FILE,
	SP_HOST_PATH_SOCKET,
	SP_HOST_PATH_CHAR_DEVICE,
	SP_HOST_PATH_BLOCK_DEVICE,
} sp_host_path_type;

/* A file system in memory. */
typedef struct sp_pod_mount {
	uint64_t size_bytes; /* 0: the kernel's default */
	uint64_t page_bytes; /* of huge pages; 0: it is a tmpfs */
	uint32_t mode;       /* of its root, which is root's but for the group */
	uint32_t gid;        /* SP_POD_FILES_SAME: root's */
} sp_pod_mount;

/* Who a whole tree becomes open to. U: kubernetes pkg/volume/volume_linux.go. */
typedef struct sp_pod_tree_owner {
	uint32_t gid;
	bool read_only;        /* the group reads, and no more */
	bool on_root_mismatch; /* nothing is done when the root of the tree is right already */
} sp_pod_tree_owner;

/* Huge pages of one size that a pod may use. */
typedef struct sp_pod_huge {
	uint64_t page_bytes;
	int64_t limit_bytes;
} sp_pod_huge;

#define SP_POD_HUGE_MAX 8u /* sizes of huge pages */

/* What a pod may use altogether; 0 and -1: as it comes. */
typedef struct sp_pod_cgroup {
	int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_bytes;
	sp_pod_huge huge[SP_POD_HUGE_MAX];
	size_t n_huge;
} sp_pod_cgroup;

struct sp_pod_files {
	/* A directory with its parents (those 0755), of exactly that mode, the umask notwithstanding. */
	sp_code (*make_dir)(sp_pod_files *f, sp_str path, uint32_t mode, sp_pod_file_owner owner,
			    sp_err *err);
	/* A file with that content, mode and owner; an old one is replaced in place (its mounts see it). */
	sp_code (*write)(sp_pod_files *f, sp_str path, sp_str content, uint32_t mode, sp_pod_file_owner owner,
			 sp_err *err);
	/* The content of a file, at most limit_bytes from its end. SP_ENOTFOUND. */
	sp_code (*read_tail)(sp_pod_files *f, sp_str path, size_t limit_bytes, sp_arena *a, sp_str *ret,
			     sp_err *err);
	/* The content of a file in a directory that others write to: links in the path are followed as if
	 * that directory were the root, and nothing leads out. SP_ENOTFOUND; SP_ETOOLARGE: more than that. */
	sp_code (*read_in)(sp_pod_files *f, sp_str base, sp_str rel, size_t limit_bytes, sp_arena *a,
			   sp_str *ret, sp_err *err);
	/* A symbolic link; one of that name is replaced in one step. */
	sp_code (*link)(sp_pod_files *f, sp_str target, sp_str path, sp_err *err);
	/* Where a link points; SP_ENOTFOUND when there is none. */
	sp_code (*read_link)(sp_pod_files *f, sp_str path, sp_arena *a, sp_str *ret, sp_err *err);
	sp_code (*rename)(sp_pod_files *f, sp_str from, sp_str to, sp_err *err);
	/* A file system in memory at a directory, which is made where it is missing; a mount that is there
	 * already stays as it is. */
	sp_code (*mount_memory)(sp_pod_files *f, sp_str path, const sp_pod_mount *m, sp_err *err);
	/* Gives everything at and below the path to a group, which may read and write it (and enter
	 * directories, whose new files become the group's, too); the root last, so that it tells whether all
	 * was done. What can't be changed stays as it is; links are not followed. */
	sp_code (*own_tree)(sp_pod_files *f, sp_str path, const sp_pod_tree_owner *owner, sp_err *err);
	/* Everything at and below the path, after unmounting what is mounted there. Links are not followed.
	 */
	sp_code (*remove_tree)(sp_pod_files *f, sp_str path, sp_err *err);
	/* What a tree takes, without what is mounted in it. Names that go meanwhile count or don't.
	 * SP_ENOTFOUND: there is none. */
	sp_code (*usage)(sp_pod_files *f, sp_str path, sp_pod_usage *ret, sp_err *err);
	/* A host path as a pod wants it, made where the type says so. SP_EINVAL with kubelet's words. */
	sp_code (*check)(sp_pod_files *f, sp_str path, sp_host_path_type type, sp_err *err);
	/* Binds a path inside a volume, made as a directory where it is missing and resolved without leaving
	 * `base`, at `target`: what a container puts there afterwards changes nothing. */
	sp_code (*sub_path)(sp_pod_files *f, sp_str base, sp_str rel, sp_str target, sp_err *err);
	/* The cgroup of a pod ("/kubepods/burstable/pod…"), made when missing, in every hierarchy that limits
	 * something. */
	sp_code (*set_cgroup)(sp_pod_files *f, sp_str path, const sp_pod_cgroup *limits, sp_err *err);
	/* Takes it away everywhere, with what is empty below it. SP_EUNAVAILABLE: something still runs in it.
	 */
	sp_code (*remove_cgroup)(sp_pod_files *f, sp_str path, sp_err *err);
};
