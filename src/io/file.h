/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files. All calls block: make them from worker jobs (sp_work_start) or at start-up, never from a callback of
 * the loop. They are the only part of the world that workers may call; one sp_file belongs to one thread at a
 * time. In simulation they work on a disk of the simulated process, which keeps over a crash only what was
 * synced.
 *
 * Paths are absolute, at most 4095 bytes, without NUL inside; anything else is SP_EINVAL. Errors carry the
 * path and errno: SP_ENOTFOUND, SP_EEXISTS, SP_EFORBIDDEN, SP_ETOOLARGE (disk full) …
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef struct sp_world sp_world;
typedef struct sp_file sp_file;

enum {
	SP_FILE_READ = 1u << 0,
	SP_FILE_WRITE = 1u << 1,
	SP_FILE_CREATE = 1u << 2,    /* when it is not there */
	SP_FILE_EXCLUSIVE = 1u << 3, /* with CREATE: SP_EEXISTS when it is there */
	SP_FILE_TRUNCATE = 1u << 4,
	SP_FILE_NOFOLLOW = 1u << 5, /* the last component is no symbolic link */
};

typedef enum sp_file_type { SP_TYPE_FILE, SP_TYPE_DIR, SP_TYPE_LINK, SP_TYPE_OTHER } sp_file_type;

typedef struct sp_stat {
	sp_file_type type;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size, device, inode;
	int64_t mtime_ns;
} sp_stat;

/* `mode` counts with CREATE only and is cut by the umask. */
sp_code sp_file_open(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sp_file **ret,
		     sp_err *err) SP_MUST_USE;
/* Also gives the lock back. NULL is a no-op. Syncs nothing. */
void sp_file_close(sp_file *f);
void sp_file_cleanup(sp_file **f);
#define SP_AUTO_FILE SP_CLEANUP(sp_file_cleanup) sp_file *

/* *ret_n < n only at the end of the file. */
sp_code sp_file_pread(sp_file *f, uint64_t offset, void *bytes, size_t n, size_t *ret_n,
		      sp_err *err) SP_MUST_USE;
/* All bytes or an error (then any part may be written). */
sp_code sp_file_pwrite(sp_file *f, uint64_t offset, const void *bytes, size_t n, sp_err *err) SP_MUST_USE;
/* The same at the end of the file; atomic against other appends only under a lock. */
sp_code sp_file_append(sp_file *f, const void *bytes, size_t n, sp_err *err) SP_MUST_USE;
/* On disk when it returns SP_OK. data_only leaves out what reading back does not need (fdatasync). After an
 * error the state of the file on disk is unknown: do not try again, reopen and look. A new name needs
 * sp_dir_sync too. */
sp_code sp_file_sync(sp_file *f, bool data_only, sp_err *err) SP_MUST_USE;
sp_code sp_file_truncate(sp_file *f, uint64_t size, sp_err *err) SP_MUST_USE;
/* Exclusive, advisory, for as long as the file is open; SP_EUNAVAILABLE when somebody else has it. */
sp_code sp_file_lock(sp_file *f, sp_err *err) SP_MUST_USE;
sp_code sp_file_stat(sp_file *f, sp_stat *ret, sp_err *err) SP_MUST_USE;

/* Of the name itself: a symbolic link is SP_TYPE_LINK. */
sp_code sp_path_stat(sp_world *w, sp_str path, sp_stat *ret, sp_err *err) SP_MUST_USE;
/* Replaces `to` when it is there. */
sp_code sp_path_rename(sp_world *w, sp_str from, sp_str to, sp_err *err) SP_MUST_USE;
sp_code sp_path_unlink(sp_world *w, sp_str path, sp_err *err) SP_MUST_USE;
/* Gives a file or directory to a user and a group, with these permission bits; a symbolic link is refused.
 * Production only. */
sp_code sp_path_own(sp_world *w, sp_str path, uint32_t uid, uint32_t gid, uint32_t mode,
		    sp_err *err) SP_MUST_USE;

/* With all parents that are missing; fine when the directory is there already. */
sp_code sp_dir_make(sp_world *w, sp_str path, uint32_t mode, sp_err *err) SP_MUST_USE;
/* An empty one. */
sp_code sp_dir_remove(sp_world *w, sp_str path, sp_err *err) SP_MUST_USE;
/* Names created, renamed and removed in the directory are on disk when it returns SP_OK. */
sp_code sp_dir_sync(sp_world *w, sp_str path, sp_err *err) SP_MUST_USE;

typedef struct sp_dir_entry {
	sp_str name;
	sp_file_type type;
} sp_dir_entry;
/* Without "." and "..", sorted by name, in the arena. SP_ENOMEM at the arena's ceiling. */
sp_code sp_dir_list(sp_world *w, sp_str path, sp_arena *a, sp_dir_entry **ret, size_t *ret_n,
		    sp_err *err) SP_MUST_USE;

/* The whole content, appended to out; SP_ETOOLARGE above its limit. Works for files of /proc too. */
sp_code sp_file_read_all(sp_world *w, sp_str path, sp_buf *out, sp_err *err) SP_MUST_USE;
/* The same into an arena, at most limit_bytes; a NUL follows. */
sp_code sp_file_read_arena(sp_world *w, sp_str path, sp_arena *a, size_t limit_bytes, sp_str *ret,
			   sp_err *err) SP_MUST_USE;
/*
 * Replaces the file in one step: after a crash at any time there is the old or the new content under the
 * name, and the new one once this returned SP_OK. Uses PATH.tmp beside it; two writers of one path must not
 * overlap.
 */
sp_code sp_file_replace(sp_world *w, sp_str path, sp_str content, uint32_t mode, sp_err *err) SP_MUST_USE;
