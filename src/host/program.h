/* SPDX-License-Identifier: Apache-2.0 */
/* A program that runs beside the loop's requests: some input, its output to the end, its status, a deadline.
 */
#pragma once

#include "host/host_int.h"

#define HOST_PROGRAM_FDS_MAX 600u

typedef struct host_program host_program;

typedef struct host_program_result {
	int code;       /* 128 + signal when it was killed */
	bool timed_out; /* and was killed for that */
	sp_str out;     /* what is beyond the limit is dropped */
	bool cut;       /* something was */
	sp_str errors;  /* the beginning of its standard error; empty when that went to the output */
} host_program_result;

typedef struct host_program_opts {
	const char *const *argv, *const *env; /* argv[0] is an absolute path; both end with NULL */
	const char *cwd;
	sp_str input;        /* standard input, whole, */
	int in;              /* or this descriptor when it is not 0 */
	const int *more;     /* its descriptors 3 and up */
	size_t n_more;       /* at most HOST_PROGRAM_FDS_MAX */
	size_t out_bytes;    /* limit of the output */
	uint64_t timeout_ns; /* 0 = none */
	bool apart;          /* standard error is kept apart from the output */
	bool holds_lock; /* the next host process waits for it; not for programs that leave others behind */
	/* Once, from the loop; the views are good during the call. */
	void (*done)(void *arg, const host_program_result *result);
	void *arg;
} host_program_opts;

/* It ends with the host process. Nothing of `opts` is used afterwards but done and arg. `ret` may be NULL;
 * good until done. */
sp_code host_program_run(host *h, const host_program_opts *opts, host_program **ret, sp_err *err) SP_MUST_USE;
/* done comes soon. */
void host_program_kill(host_program *p);
