/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk: what reads see, and what stands on it. Both are a table of names and, per file, a content. Changes
 * of names are kept in order until the directory is synced, writes until the file is; a crash applies a part
 * of them by chance.
 */
#pragma once

#include "io/sim/sim_int.h"

#define SIM_SECTOR 512u

typedef struct sim_content {
	uint8_t *bytes;
	size_t size, cap;
} sim_content;

/* A write or (bytes == NULL) a new size. */
typedef struct sim_change {
	sp_list node;
	uint64_t offset;
	size_t len;
	uint8_t bytes[];
} sim_change;

struct sim_inode {
	uint32_t n_refs;
	sp_file_type type;
	uint32_t mode;
	uint64_t number;
	int64_t mtime_ns;
	sim_content live, durable;
	sp_list changes; /* not synced */
	const void *locked_by;
};

typedef struct sim_name {
	char *path;
	sim_inode *inode;
} sim_name;

typedef struct sim_names {
	sim_name *at;
	size_t n, cap;
} sim_names;

/* A change of names: `from` goes (may be empty), `to` is `inode` (may be empty). */
typedef struct sim_rename {
	sp_list node;
	sim_inode *inode;
	size_t to_at; /* of text */
	char text[];  /* from, NUL, to, NUL */
} sim_rename;

struct sim_disk {
	sim_names live, durable;
	sp_list renames; /* not synced */
	uint64_t next_number;
	size_t used_bytes;
};

sim_inode *sim_inode_new(sim_disk *d, sp_file_type type, uint32_t mode, int64_t mtime_ns);
sim_inode *sim_inode_ref(sim_inode *i);
void sim_inode_unref(sim_disk *d, sim_inode *i);
/* Index of the path, or -1. */
ptrdiff_t sim_names_find(const sim_names *names, sp_str path);
static inline sim_inode *sim_disk_find(const sim_disk *d, sp_str path)
{
	ptrdiff_t at = sim_names_find(&d->live, path);
	return at < 0 ? NULL : d->live.at[at].inode;
}
/* Changes the live names and notes it for the crash. */
void sim_disk_rename(sim_disk *d, sp_str from, sp_str to, sim_inode *inode);
/* The directory's names are on the disk. */
void sim_disk_sync_dir(sim_disk *d, sp_str path);
/* False: no room left. */
bool sim_inode_write(sim_disk *d, sp_sim *s, sim_inode *i, uint64_t offset, const void *bytes, size_t n);
bool sim_inode_resize(sim_disk *d, sp_sim *s, sim_inode *i, uint64_t size);
/* Whole: everything is on the disk. Otherwise any part of it, and the rest is forgotten. */
void sim_inode_sync(sp_sim *s, sim_inode *i, bool whole);
/* "/" for "/a" and for "/". */
sp_str sim_parent_of(sp_str path);
