/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every pod of a runtime: for `sampan cri --cleanup`, which `sampan down` runs last. */
#pragma once

#include "contracts/cri.h"
#include "contracts/host.h"

typedef struct cri_cleanup cri_cleanup;

typedef struct cri_cleanup_opts {
	sp_cri *cri;
	sp_host *host;
	sp_str bridge; /* of the pod network: removed with its rules when the pods are gone */
	/* Once, from the loop; the texts of `err` say what could not be removed. */
	void (*done)(void *arg, size_t n_pods, const sp_err *err);
	void *arg;
} cri_cleanup_opts;

/* Stops and removes one sandbox after the other, containers with them. */
void cri_cleanup_start(const cri_cleanup_opts *o, cri_cleanup **ret);
/* After done. NULL is a no-op. */
void cri_cleanup_free(cri_cleanup *c);
