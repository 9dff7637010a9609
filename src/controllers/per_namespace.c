/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that every active namespace has: its service account "default" and the certificates of the API
 * server. The caches hold only these, by their names. U: kubernetes pkg/controller/serviceaccount,
 * pkg/controller/certificates/rootcacertpublisher.
 */
#include "controllers/common.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)2 << 20)
#define ROOT_CA "kube-root-ca.crt"
#define ROOT_CA_NOTE                                                                                        \
	"Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints " \
	"such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "   \
	"distributions of Kubernetes clusters."

typedef struct ns_view {
	sp_str phase;
} ns_view;
SP_VIEW(ns_view_desc, ns_view, "v1/Namespace", SP_V(ns_view, phase, "status.phase"));

typedef struct per_controller {
	controller base;
	const struct per_kind *kind;
	sp_informer *namespaces, *objects;
	sp_informer_watch ns_watch, object_watch;
} per_controller;

typedef struct per_kind {
	sp_gvr gvr;
	const char *name; /* of the object */
	const char *note; /* its annotation kubernetes.io/description, or NULL */
	/* Appends what stands beside metadata. NULL: nothing. */
	void (*write)(const per_controller *p, sp_jout *j);
	/* Whether an object is as it should be; else it is patched with what `write` gives. NULL: always. */
	bool (*is_right)(const per_controller *p, yyjson_val *object);
} per_kind;

typedef struct run {
	per_controller *p;
	sp_job *job;
	sp_call call;
} run;

static void on_namespace(void *arg, const sp_object *old, const sp_object *now)
{
	per_controller *p = arg;
	(void)old;
	if (now != NULL)
		sp_queue_add(p->base.queue, now->name);
}

static void on_object(void *arg, const sp_object *old, const sp_object *now)
{
	per_controller *p = arg;
	if (old != NULL)
		sp_queue_add(p->base.queue, (now != NULL ? now : old)->ns);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	/* There already, or the namespace is going or gone: nothing to do. */
	bool fine = a->code == SP_EEXISTS || a->code == SP_ENOTFOUND || ctl_namespace_goes(a);
	sp_job_done(x->job, fine ? SP_OK : a->code);
}

static bool needs_write(const per_controller *p, sp_job *job, const sp_object *object)
{
	yyjson_val *root;
	if (object == NULL || p->kind->is_right == NULL)
		return object == NULL;
	return sp_json_parse(job->arena, object->json, &root, NULL) == SP_OK && !p->kind->is_right(p, root);
}

static void sync_namespace(controller *c, sp_job *job)
{
	per_controller *p = SP_CONTAINER_OF(c, per_controller, base);
	const sp_object *ns = sp_informer_get(p->namespaces, job->key);
	const sp_object *object = sp_informer_get_in(p->objects, job->key, sp_str_c(p->kind->name));
	ns_view view;
	if (ns == NULL || sp_view(job->arena, ns->json, &ns_view_desc, &view, NULL) != SP_OK ||
	    !sp_str_eq(view.phase, SP_STR("Active")) || !needs_write(p, job, object)) {
		sp_job_done(job, SP_OK);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	if (object == NULL) {
		sp_jout_member_open(&j, SP_STR("metadata"), '{');
		sp_jout_member_str(&j, SP_STR("name"), sp_str_c(p->kind->name));
		if (p->kind->note != NULL) {
			sp_jout_member_open(&j, SP_STR("annotations"), '{');
			sp_jout_member_str(&j, SP_STR("kubernetes.io/description"), sp_str_c(p->kind->note));
			sp_jout_close(&j, '}');
		}
		sp_jout_close(&j, '}');
	}
	if (p->kind->write != NULL)
		p->kind->write(p, &j);
	sp_jout_close(&j, '}');
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.p = p, .job = job, .call = {.done = on_written, .arg = x}};
	sp_call_start(c->client, &x->call,
		      &(sp_ask){.verb = object == NULL ? SP_ASK_CREATE : SP_ASK_MERGE_UPDATE,
				.gvr = p->kind->gvr,
				.ns = job->key,
				.name = object == NULL ? SP_STR("") : object->name,
				.body = sp_buf_view(&body)});
}

static sp_code open_kind(controller *c, const per_kind *kind, sp_err *err)
{
	per_controller *p = SP_CONTAINER_OF(c, per_controller, base);
	SP_AUTO_BUF selector;
	sp_buf_init(&selector, 100);
	(void)sp_buf_str(&selector, SP_STR("metadata.name="));
	if (sp_buf_str(&selector, sp_str_c(kind->name)) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a selector");
	p->kind = kind;
	SP_TRY(controller_follow(c, SP_NAMESPACES, &ns_view_desc, &p->namespaces, err));
	SP_TRY(sp_informers_get(
		c->informers, &(sp_informer_opts){.gvr = kind->gvr, .field_selector = sp_buf_view(&selector)},
		&p->objects, err));
	sp_informer_keep_all(p->objects);
	controller_watch(p->namespaces, &p->ns_watch, on_namespace, p);
	controller_watch(p->objects, &p->object_watch, on_object, p);
	return SP_OK;
}

/* ---- service accounts ---- */

static const per_kind account_kind = {
	.gvr = {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("serviceaccounts")}, .name = "default"};

static sp_code open_accounts(controller *c, sp_err *err)
{
	return open_kind(c, &account_kind, err);
}

const controller_type controller_service_account = {.name = "serviceaccount-controller",
						    .account = "service-account-controller",
						    .size_bytes = sizeof(per_controller),
						    .n_workers = 1,
						    .open = open_accounts,
						    .sync = sync_namespace};

/* ---- certificates ---- */

static void write_ca(const per_controller *p, sp_jout *j)
{
	sp_jout_member_open(j, SP_STR("data"), '{');
	sp_jout_member_str(j, SP_STR("ca.crt"), p->base.config->root_ca_pem);
	sp_jout_close(j, '}');
}

static bool has_ca(const per_controller *p, yyjson_val *object)
{
	yyjson_val *data = sp_json_last(object, SP_STR("data"));
	return yyjson_obj_size(data) == 1 &&
	       sp_str_eq(sp_json_str(sp_json_last(data, SP_STR("ca.crt"))), p->base.config->root_ca_pem);
}

static const per_kind ca_kind = {.gvr = {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("configmaps")},
				 .name = ROOT_CA,
				 .note = ROOT_CA_NOTE,
				 .write = write_ca,
				 .is_right = has_ca};

static sp_code open_ca(controller *c, sp_err *err)
{
	if (c->config->root_ca_pem.len == 0)
		return sp_fail(err, SP_EUNSUPPORTED, "no root certificates are known");
	return open_kind(c, &ca_kind, err);
}

const controller_type controller_root_ca = {.name = "root-ca-certificate-publisher-controller",
					    .account = "root-ca-cert-publisher",
					    .size_bytes = sizeof(per_controller),
					    .n_workers = 1,
					    .open = open_ca,
					    .sync = sync_namespace};
