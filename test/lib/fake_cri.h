/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container runtime in memory behind contracts/cri.h, for the simulator. Containers do what their command
 * says:
 *
 *   ["run"]                 until they are stopped; ends with 143 at the signal
 *   ["run", "50", "10"]     and uses 50 MiB of memory and 10 MiB of its layer
 *   ["deaf"]                until the grace is over; ends with 137
 *   ["exit", "3", "250"]    ends with 3 after 250 ms
 *
 * Commands in them (exec) succeed, but for ["fail"]. Images are there, but for those named "none…"; those
 * named "volume…" are the first of those that nobody uses. It outlives the agents that use it, as a runtime
 * does.
 */
#pragma once

#include "contracts/cri.h"
#include "contracts/pod_files.h"
#include "io/world.h"

/* A memory limit that no container can be given while it runs. */
#define FAKE_CRI_NO_MEMORY (INT64_C(13) << 20)

typedef struct fake_cri {
	sp_cri base;
	sp_world *world;
	uint32_t fail_ppm; /* of calls that change something: they fail with UNAVAILABLE, before or after it
			      was done */
	uint64_t delay_ns; /* longest, of an answer */
	sp_list boxes, containers, flights;
	sp_cri_events *events;
	uint64_t n_made, n_reopened;
	void (*reopened)(void);  /* a log was opened anew; may be NULL */
	uint32_t removed_images; /* bits: the first, the second that nobody uses */
	bool keeps_logs;         /* none can be opened anew */
	bool has_none;           /* somebody brought the images "none…", which can't be pulled */
	bool has_private;        /* an image "private…" was pulled: as the user "u", which it takes */
	bool has_users;          /* can put pods into user namespaces */
	bool needs_range;        /* its network is not ready before it is told a range of pods' addresses */
	char range[64];          /* of the last UpdateRuntimeConfig */
	uint32_t n_ranges;       /* how often it was told one */
	const char *broken;      /* what should never be: set once, looked at by tests */
	/* Whether an exec of that container succeeds; NULL: by its command. */
	bool (*exec)(void *arg, sp_str pod, sp_str container);
	void *arg;
} fake_cri;

void fake_cri_init(fake_cri *f, sp_world *w);
/* Containers and all; no agent uses it any more. */
void fake_cri_done(fake_cri *f);
size_t fake_cri_boxes(const fake_cri *f);
size_t fake_cri_running(const fake_cri *f);
/* The handler that the newest sandbox of a pod of that name was asked with; "-": there is none. */
sp_str fake_cri_handler(const fake_cri *f, const char *pod);
/* What the newest container of that name was asked for with, good as long as it; NULL: there is none. */
const sp_cri_container_config *fake_cri_container(const fake_cri *f, const char *name);
/* How often a container of that name was begun in the pods of that name. */
size_t fake_cri_starts(const fake_cri *f, const char *pod, const char *container);
/* The stream of events breaks, as when a runtime restarts. */
void fake_cri_end_events(fake_cri *f);
/* The running ones end as if they had been killed. */
void fake_cri_kill(fake_cri *f, const char *pod, const char *container);
/* All sandboxes and containers end, and nobody stopped them. */
void fake_cri_reboot(fake_cri *f);
/* There is no trace of any; no agent uses it now. */
void fake_cri_forget(fake_cri *f);

/* What directories take whose path has that in it; the others are not there. */
typedef struct fake_use {
	const char *path; /* NULL: none is there */
	uint64_t bytes;
} fake_use;
extern fake_use fake_usage;
/* The one file in volumes, by its path there. */
typedef struct fake_text {
	const char *name; /* NULL: there is none */
	const char *text;
} fake_text;
extern fake_text fake_file;
/* Trees that were removed, each with a blank; what there is no room for is left out. A test clears it. */
extern char fake_removed[512];

/* Files that are nowhere: what changes something succeeds. */
sp_pod_files *fake_pod_files(void);
