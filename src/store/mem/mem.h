/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: the same behaviour without a disk and without threads, for the simulator and tests. */
#pragma once

#include "store/store.h"

typedef struct sp_store_mem_opts {
	uint64_t commit_ns;         /* between a write and its completion */
	uint64_t keep_ns;           /* history; 0 = 5 minutes */
	uint64_t history_bytes_max; /* 0 = 512 MiB */
} sp_store_mem_opts;

sp_code sp_store_mem_open(sp_world *w, const sp_store_mem_opts *opts, sp_store **ret,
			  sp_err *err) SP_MUST_USE;
