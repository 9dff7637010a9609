/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts for a cgroup, of version 1 or 2, by one set of names; stats.c and metrics.c tell it.
 * U: google/cadvisor container/libcontainer/handler.go for which file means what.
 */
#pragma once

#include "base/arena.h"
#include "io/world.h"

typedef enum rt_figure {
	/* what statistics are made of */
	RT_CPU_NS,
	RT_MEMORY_USAGE,
	RT_MEMORY_WORKING_SET,
	RT_MEMORY_RSS,
	RT_MEMORY_LIMIT, /* RT_NO_FIGURE: none */
	RT_FAULTS,       /* with those of cgroups below */
	RT_MAJOR_FAULTS,
	RT_PROCESSES,
	/* the rest, for metrics */
	RT_CPU_USER_NS,
	RT_CPU_SYSTEM_NS,
	RT_CPU_PERIODS,
	RT_CPU_THROTTLED_PERIODS,
	RT_CPU_THROTTLED_NS,
	RT_MEMORY_CACHE,
	RT_MEMORY_KERNEL,
	RT_MEMORY_MAPPED_FILE,
	RT_MEMORY_SWAP,
	RT_MEMORY_FAILCNT,
	RT_MEMORY_MAX_USAGE,
	RT_MEMORY_ACTIVE_FILE,
	RT_MEMORY_INACTIVE_FILE,
	RT_OWN_FAULTS, /* without those of cgroups below, where the kernel tells */
	RT_OWN_MAJOR_FAULTS,
	RT_OOM_KILLS,
	RT_THREADS,
	RT_THREADS_MAX, /* 0: no limit */
	/* Microseconds that some, or all, of its processes were stalled; version 2 only. */
	RT_PRESSURE_CPU_SOME,
	RT_PRESSURE_CPU_FULL,
	RT_PRESSURE_MEMORY_SOME,
	RT_PRESSURE_MEMORY_FULL,
	RT_PRESSURE_IO_SOME,
	RT_PRESSURE_IO_FULL,
	RT_CGROUP_FIGURES_,

	/* What is known from elsewhere: metrics.c. */
	RT_FS_USAGE = RT_CGROUP_FIGURES_,
	RT_FS_LIMIT,
	RT_FS_INODES_TOTAL,
	RT_FS_INODES_FREE,
	RT_NET_RX_BYTES,
	RT_NET_RX_PACKETS,
	RT_NET_RX_DROPPED,
	RT_NET_RX_ERRORS,
	RT_NET_TX_BYTES,
	RT_NET_TX_PACKETS,
	RT_NET_TX_DROPPED,
	RT_NET_TX_ERRORS,
	RT_DESCRIPTORS,
	RT_SOCKETS,
	RT_OPEN_FILES_SOFT, /* the limit of its first process */
	RT_LAST_SEEN_S,
	RT_STARTED_S,
	RT_SPEC_CPU_PERIOD,
	RT_SPEC_CPU_QUOTA,
	RT_SPEC_CPU_SHARES,
	RT_SPEC_MEMORY_LIMIT,
	RT_SPEC_MEMORY_SWAP_LIMIT,
	RT_FIGURES_
} rt_figure;

#define RT_NO_FIGURE UINT64_MAX

/* What a device did for a cgroup. */
typedef struct rt_device_io {
	uint32_t major, minor;
	sp_str device;    /* "/dev/vda"; "253:0" when it has no name */
	sp_str operation; /* "Read", "Write" and what else the kernel tells apart */
	bool counts;      /* operations, not bytes */
	uint64_t value;
} rt_device_io;

/* Huge pages of one size. Version 2 knows no maximum: 0. */
enum { RT_HUGE_USAGE, RT_HUGE_MAX_USAGE, RT_HUGE_FIGURES_ };
typedef struct rt_huge_pages {
	sp_str size; /* "2MB" */
	uint64_t at[RT_HUGE_FIGURES_];
} rt_huge_pages;

typedef struct rt_figures {
	bool found;
	uint64_t at[RT_FIGURES_]; /* RT_NO_FIGURE: not told by this kernel, or not asked for */
	const rt_device_io *io;   /* in the arena */
	size_t n_io;
	const rt_huge_pages *huge; /* likewise */
	size_t n_huge;
} rt_figures;

/* All of them absent. */
void rt_figures_init(rt_figures *f);

/*
 * Reads those of the cgroup at `path` below root ("/sys/fs/cgroup"), the first few only unless `all`. Blocks:
 * for workers. What can't be read is absent; without a memory controller nothing is found.
 */
void rt_figures_read(sp_world *w, sp_str root, sp_str path, bool all, sp_arena *a, rt_figures *f);
