/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own state and its handlers; for src/apiserver only. */
#pragma once

#include "apiserver/custom/custom.h"
#include "apiserver/docs.h"
#include "apiserver/expiry.h"
#include "apiserver/object.h"
#include "apiserver/options.h"
#include "apiserver/rbac.h"
#include "apiserver/request.h"
#include "apiserver/server.h"
#include "apiserver/services/pick.h"
#include "apiserver/snapshots.h"
#include "apiserver/tokens.h"
#include "apiserver/webhook.h"
#include "base/list.h"
#include "base/log.h"
#include "kube/view.h"
#include "store/store.h"

/* What services get their numbers from. */
typedef struct api_service_ranges {
	api_ip_range ips[2]; /* of one family each; the first is the one that services have by default */
	size_t n_ips;
	api_port_range ports;
} api_service_ranges;

struct api_server {
	sp_world *world;
	sp_store *store;
	sp_log *log;
	api_resources resources;
	sp_http_server *http;
	api_service_ranges services;
	api_rbac *rbac;
	api_webhooks *webhooks;        /* connections to them */
	struct api_hooks *hooks;       /* admission/hooks.h */
	struct api_policies *policies; /* admission/policies.h */
	struct api_proxies *proxies;   /* proxy/proxy.h */
	api_docs *docs;
	api_expiry *events; /* NULL: events stay */
	api_tokens *tokens; /* NULL: no bearer token is known */
	api_customs *customs;
	struct api_conditions *conditions;
	struct api_legacy_uses *legacy_uses; /* legacy_use.h */
	api_snapshots *snapshots;
	struct api_flows *flows;    /* flow/flow.h */
	struct sp_metrics *metrics; /* metrics/metrics.h */
	api_authorization authorization;
	uint64_t request_timeout_ns;
	api_toleration_seconds tolerate;
	uint32_t min_request_timeout_s;
	api_admission_choice admission;                      /* bits of api_admission_plugins */
	const struct api_admission_config *admission_config; /* admission/config.h; or NULL */
	struct api_event_rate *event_rate;                   /* admission/event_rate.h */
	api_kubelet_opts kubelet;
	sp_arena arena;       /* of the server's life */
	api_rules node_rules; /* what kubelets may do without further questions */
	sp_list watches;      /* under way, of watch.c */
	api_audit_opts audit;
	const struct api_cors *cors; /* or NULL */
	api_front_proxy_opts front_proxy;
	struct api_aggregates *aggregates; /* aggregate/aggregate.h */
	struct api_registrar *registrar;   /* aggregate/register.h */
	struct api_usage *usage;           /* usage/usage.h */
	bool is_draining;
	struct api_admission_counts *admitted; /* admission/counts.h */
	void (*drained)(void *arg);
	void *drained_arg;
	bool no_anonymous, no_privileged;
	bool is_bootstrapped;                 /* the objects of the first moment are there */
	char marker[API_OBJECT_MARKER_BYTES]; /* of api_object_record */
	sp_str marker_str;
};

/* One handler per verb of stored resources; each answers, now or later. */
void api_get(api_request *r);
void api_list(api_request *r);
void api_watch(api_request *r);
/* Ends every watch that is under way; those that begin from now on end at once. */
void api_watches_end(api_server *s);
/* Ends those of custom kinds whose definition has changed or is gone; their clients begin again with what is
 * there now. U: apiextensions-apiserver pkg/apiserver/customresource_handler.go, removeStorage_locked. */
void api_watches_end_stale(api_server *s);
void api_create(api_request *r);
void api_update(api_request *r);
void api_patch(api_request *r);
void api_delete(api_request *r);
void api_delete_collection(api_request *r);

/* A random UUID as text. {NULL, 0}: no room. */
sp_str api_random_uuid(sp_world *w, sp_arena *a);

/* Everything that is no resource: health, version, discovery. */
void api_other(api_request *r);

/* A stored object as a view, in the arena. `prefix` as in api_resource. Errors: those of sp_store_get, or it
 * can't be read. */
sp_code api_view_stored(api_server *s, sp_arena *a, const char *prefix, sp_str ns, sp_str name,
			const sp_view_desc *d, void *ret, sp_err *err) SP_MUST_USE;

/* True when the store has reached the revision; otherwise answers "Too large resource version". */
bool api_revision_reached(api_request *r, uint64_t revision);

/* The current state of r's object. SP_ENOTFOUND … as sp_store_get. The record is a reference. */
sp_code api_load(api_request *r, sp_str ns, sp_str name, sp_store_value *ret, sp_record *ret_record,
		 sp_err *err) SP_MUST_USE;

/* The same in r's version, where a webhook may be asked first; the record is good during `then`. Answers when
 * it can't be had. Takes r->state. */
void api_load_served(api_request *r, void (*then)(api_request *r, const sp_record *rec, uint64_t revision));

/* Whether a record passes both selectors. `rest` is its key. */
bool api_selects(const api_list_options *o, const api_resource *res, const sp_record *rec, sp_str rest);
