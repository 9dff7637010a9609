/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that can be watched and can fail: the program's write and sync calls pass here (the C library's
 * functions are interposed). Only calls on one file, named by the test, are recorded or made to fail; all
 * others pass through.
 */
#pragma once

#include "base/str.h"

typedef enum t_disk_kind { T_DISK_WRITE, T_DISK_SYNC } t_disk_kind;

typedef struct t_disk_op {
	t_disk_kind kind;
	bool is_durable; /* the descriptor was opened with O_DSYNC: on the disk when the call returned */
	uint64_t offset;
	size_t len;
	char *bytes;
} t_disk_op;

/* From now on calls on this file (which exists) are recorded, up to n_max of them. */
void t_disk_record(const char *path, size_t n_max);
size_t t_disk_ops(const t_disk_op **ret);
/* Ends recording and failing, releases what was recorded. */
void t_disk_stop(void);

/*
 * Writes to `path` what is on the disk when the machine stops inside call `at`: the file as it was before
 * recording, all that was synced, and of the rest each sector of 512 bytes by chance.
 */
void t_disk_crash(const char *path, sp_str before, size_t at, uint64_t (*random)(void));

/* On the recorded file: writes above this size answer ENOSPC (0 = no limit); syncs answer EIO. */
void t_disk_limit(uint64_t bytes);
void t_disk_fail_sync(bool on);
