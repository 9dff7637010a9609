/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controllers: one process holds many, each in a file of its own, all over one client and one set of
 * informers. A controller is a struct that begins with `controller` and a row of the table (table.c):
 *
 *   open    gets informers, declares views and indexes, adds watches that enqueue keys
 *   sync    looks at one key: reads the caches, decides one step, makes the calls, ends the job
 *   start   once, when every cache is filled and this process leads; before the first sync
 *   done    releases what open took
 *
 * Syncs are level-triggered: what a key's event was does not matter, only what is and what should be. A sync
 * never waits for its own writes to show up; expectations (client/expect.h) or revisions keep it from acting
 * twice. Everything of one sync lives in the job's arena. U: kubernetes cmd/kube-controller-manager/app.
 */
#pragma once

#include "client/accounts.h"
#include "client/events.h"
#include "client/informer.h"
#include "client/queue.h"

typedef struct controllers controllers;
typedef struct controller controller;

/* How fast pods are driven from nodes that fail; see node_zones.h. */
typedef struct node_zone_limits {
	double rate, secondary_rate; /* nodes per second */
	double unhealthy;            /* the part of a zone that makes it unhealthy */
	uint32_t large;              /* nodes of a zone up to which an unhealthy one is left alone */
} node_zone_limits;

/* How many keys one controller works on at once; 0: as many as else. */
typedef struct controllers_workers {
	const char *controller;
	uint32_t n;
} controllers_workers;

/* What the command line says; zero members are upstream's defaults. */
typedef struct controllers_config {
	sp_str root_ca_pem;   /* published to every namespace; empty: the publisher is not started */
	sp_str service_cidrs; /* ranges that nodes get no part of */
	sp_str cluster_cidrs; /* "10.244.0.0/16[,fd00::/48]"; empty: nodes get no ranges of pods */
	uint32_t node_mask, node_mask_v6;    /* 0: 24, 64 */
	uint64_t node_monitor_grace_ns;      /* 0: 50 s */
	uint64_t node_startup_grace_ns;      /* of one that was never heard of; 0: 60 s */
	const node_zone_limits *zone_limits; /* NULL: upstream's */
	uint32_t terminated_pods_most;       /* 0: 12,500 */
	struct sp_cert_signer *cert_signer;  /* NULL: certificates are signed by nobody here */
	/* Of horizontal autoscalers; 0: 15 s, 300 s, 300 s, 30 s, 0.1 */
	uint64_t hpa_period_ns, hpa_downscale_window_ns, hpa_cpu_initialization_ns, hpa_readiness_delay_ns;
	double hpa_tolerance;
	uint64_t legacy_token_unused_ns; /* of tokens of old in secrets; 0: a year */
	bool never_force_detach;         /* volumes of nodes that do not answer stay attached */
	uint32_t n_workers;              /* of each controller; 0: its own */
	const controllers_workers *workers_of;
	size_t n_workers_of;
} controllers_config;

typedef struct controller_type {
	const char *name;      /* as in --controllers: "replicaset-controller" */
	const char *component; /* source of its events; NULL: name */
	const char *account;   /* upstream's service account in kube-system; NULL: name */
	size_t size_bytes;     /* of its struct */
	uint32_t n_workers;    /* 0: 5 */
	bool off_by_default;
	bool acts_by_client; /* upstream has no service account for it: it acts as whoever fills the caches */
	/* SP_EUNSUPPORTED: it does not apply here; it is left out, with a line in the log. */
	sp_code (*open)(controller *c, sp_err *err);
	void (*start)(controller *c);             /* may be NULL; may pause its own queue */
	void (*sync)(controller *c, sp_job *job); /* ends by sp_job_done or sp_job_again */
	void (*done)(controller *c);              /* may be NULL; also after an open that failed */
} controller_type;

struct controller {
	const controller_type *type;
	const controllers_config *config;
	sp_world *world;
	sp_log *log;
	sp_client *client;
	sp_informers *informers;
	sp_queue *queue; /* of sync */
	sp_events *events;
};

/* ---- the table ---- */

extern const controller_type *const controller_types[];
extern const size_t n_controller_types;

/* `list` is "*", "*,-foo", "foo,bar": whether a controller runs. SP_EINVAL: a name that is none. */
sp_code controllers_check_list(sp_str list, sp_err *err) SP_MUST_USE;
bool controllers_is_enabled(sp_str list, const controller_type *t);

/* ---- all of them ---- */

typedef struct controllers_opts {
	sp_client *client; /* fills the caches */
	/* Each controller acts as its own service account of kube-system; NULL: all act by the client. They
	 * stay until the controllers are freed. */
	sp_accounts *accounts;
	sp_log *log;
	const controllers_config *config; /* stays */
	sp_str list;                      /* which run; empty: "*" */
	sp_metrics *metrics;              /* of their queues (client/queue.h); NULL: nothing is counted */
} controllers_opts;

/* Opens those that are enabled and begins to follow what they want; they work as soon as the caches are
 * filled and every account has its token. */
sp_code controllers_new(const controllers_opts *o, controllers **ret, sp_err *err) SP_MUST_USE;
/* Every cache is filled and the work has begun. */
bool controllers_are_started(const controllers *s);
/* Brings the gauges of the queues up to date, before they are told. */
void controllers_measure(const controllers *s);
/* No job is begun any more; `done` comes once when the last one has ended. Close the client at the same time,
 * so that no job waits for an answer; then free. */
void controllers_close(controllers *s, void (*done)(void *arg), void *arg);
void controllers_free(controllers *s);

/* ---- for controllers ---- */

/* The shared informer of all objects of a resource; keeps the view's fields (NULL: everything). */
sp_code controller_follow(controller *c, sp_gvr gvr, const sp_view_desc *view, sp_informer **ret,
			  sp_err *err) SP_MUST_USE;
/* Adds a watch in place. */
void controller_watch(sp_informer *i, sp_informer_watch *w,
		      void (*on_change)(void *arg, const sp_object *old, const sp_object *now), void *arg);
/* An on_change (arg: the controller): the object's own key is enqueued. */
void controller_enqueue(void *arg, const sp_object *old, const sp_object *now);
