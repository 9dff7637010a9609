/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controllers on a simulated machine, for an API server of lib/api_host.h, with a user who asks for things
 * and something like a kubelet: pods that exist run and are ready after a while, pods that are to go are gone
 * after a while.
 */
#pragma once

#include "controllers/controller.h"
#include "lib/client_host.h"

typedef struct t_ctl {
	t_api api;
	t_user user, manager, kubelet;
	struct sp_log *log;
	controllers_config config;
	sp_accounts *accounts; /* each controller has the rights of upstream's role for it, no others */
	controllers *all;
	bool closed;
	/* the kubelet */
	sp_informers *informers;
	sp_informer *pods;
	sp_informer_watch watch;
	struct t_ctl_pod *under_way;
	bool no_kubelet;   /* set before open: pods stay as they are */
	bool of_nodes;     /* the same: only pods that have a node run, and are made ready again */
	const char *ends;  /* pods whose name begins so are Succeeded */
	const char *phase; /* what pods become; NULL: Running and ready */
	const char
		*fails; /* those whose name begins so fail instead, by their container "c" with exit_code */
	int exit_code;
} t_ctl;

/* Zero it or set options first. `list`: which controllers. False: the test has failed. */
bool t_ctl_open(t_ctl *t, const sp_sim_opts *o, const char *list);

/* Creates from JSON with apiVersion, kind and metadata; resources by their kind's plural. */
bool t_ctl_create(t_ctl *t, sp_gvr gvr, const char *ns, const char *json);
/* A merge patch. */
bool t_ctl_patch(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *subresource,
		 const char *json);
bool t_ctl_delete(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *propagation);
/* The object in the test's arena; NULL: not there. */
yyjson_val *t_ctl_get(t_ctl *t, sp_gvr gvr, const char *ns, const char *name);
/* Items of a list ("" for all namespaces), with a label selector ("" for all). */
yyjson_val *t_ctl_list(t_ctl *t, sp_gvr gvr, const char *ns, const char *selector, size_t *ret_n);
/* Lets time pass. */
void t_ctl_run(t_ctl *t, uint64_t ns);
/* Until the value at that path of the object, as text ("3", "true", "x"; "" when absent), is `want`; fails
 * the test after two minutes of the simulation. */
bool t_ctl_wait(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *path, const char *want);
/* Until a list has n items. */
bool t_ctl_wait_count(t_ctl *t, sp_gvr gvr, const char *ns, const char *selector, size_t n);
/* Until the object is gone. */
bool t_ctl_wait_gone(t_ctl *t, sp_gvr gvr, const char *ns, const char *name);
/* A value at a path as text, in the test's arena. */
sp_str t_ctl_text(yyjson_val *v, const char *path);
