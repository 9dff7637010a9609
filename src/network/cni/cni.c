/* SPDX-License-Identifier: Apache-2.0 */
#include "network/cni/cni.h"

#include "base/alloc.h"
#include "base/ip.h"
#include "io/file.h"
#include "network/cni/store.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define INPUT_BYTES ((size_t)8 << 20)
#define IDS_BYTES ((size_t)1 << 20)
#define IF_NAME SP_STR("eth0")
#define NOT_INITIALIZED "cni plugin not initialized"

typedef struct cni {
	sp_pod_network base;
	sp_world *world;
	const cni_opts *opts;
	char range[SP_IP_TEXT_BYTES]; /* of set_range */
	sp_str ip_range;
	sp_buf good;  /* the last list that could be used */
	sp_arena ids; /* of pods that were there at the start and are still to be checked */
	sp_str *to_check;
	size_t n_to_check;
	sp_pod_network_call checking;
	sp_code code; /* of the last look */
	sp_err why;
} cni;

/* One request: files on a worker, then plugin after plugin, then files again. */
typedef struct op {
	cni *n;
	sp_world *world; /* the network's, as a worker may outlive that */
	const cni_opts *opts;
	sp_pod_network_call *call; /* NULL: canceled while a worker has it */
	sp_arena arena;
	sp_work work;
	bool working;
	sp_host_call host;
	sp_pod_network_call inner;
	sp_pod_network *inner_of; /* whose request `inner` is, while there is one */
	sp_str id;
	const sp_cri_pod_sandbox_config *config;
	sp_pod_attachment old; /* of detach */
	sp_str good;           /* copy of the network's */
	bool found;            /* a configuration, or the record of an attachment */
	bool keeps_good;       /* the directory's is of no use */
	cni_record rec;
	cni_list list;
	sp_host_cni_verb verb;
	size_t i; /* the plugin that runs; of settle, the record that is looked at */
	sp_pod_attachment result;
	const sp_str *ids;
	size_t n_ids;
	sp_str *stale;
	size_t n_stale;
	void (*after)(struct op *o);                        /* all plugins have run */
	void (*then)(sp_work *w), (*then_done)(sp_work *w); /* the configurations are up to date */
	sp_code code;
	sp_err err;
} op;

static cni *of(sp_pod_network *n)
{
	return SP_CONTAINER_OF(n, cni, base);
}

static op *begin(cni *n, sp_pod_network_call *c, sp_str id)
{
	op *o = SP_NEW(op);
	*o = (op){.n = n, .world = n->world, .opts = n->opts, .call = c};
	sp_arena_init(&o->arena, ARENA_BYTES);
	o->id = sp_arena_try_dup(&o->arena, id);
	c->impl = o;
	if (o->id.len != id.len)
		o->code = sp_fail(&o->err, SP_ENOMEM, "no memory for a network request");
	return o;
}

static void op_free(op *o)
{
	sp_arena_done(&o->arena);
	sp_free(o);
}

static void finish(op *o)
{
	sp_pod_network_call *c = o->call;
	bool attached = o->code == SP_OK && o->verb == SP_HOST_CNI_ADD && o->config != NULL;
	c->impl = NULL;
	c->done(c, attached ? &o->result : NULL, o->code == SP_OK ? NULL : &o->err);
	op_free(o);
}

/* The first error is what is told. */
static void failed(op *o, const sp_err *err)
{
	if (o->code != SP_OK)
		return;
	o->code = err->code != SP_OK ? err->code : SP_EINTERNAL;
	o->err = *err;
}

/* ---- workers ---- */

static void run_work(op *o, void (*fn)(sp_work *w), void (*done)(sp_work *w))
{
	o->work = (sp_work){.fn = fn, .done = done, .arg = o};
	sp_err err;
	if (o->code == SP_OK && sp_work_start(o->world, &o->work, &err) == SP_OK) {
		o->working = true; /* all else is the worker's now */
		return;
	}
	if (o->code == SP_OK)
		failed(o, &err);
	finish(o);
}

static void on_copied(sp_host_call *c, const void *response, const sp_err *err)
{
	op *o = c->arg;
	(void)response;
	if (err != NULL)
		failed(o, err);
	run_work(o, o->then, o->then_done);
}

/* The same with the configurations as they are now. */
static void run_on_confs(op *o, void (*fn)(sp_work *w), void (*done)(sp_work *w))
{
	const sp_host_id none = {.id = SP_STR("")};
	if (!o->opts->copied || o->code != SP_OK) {
		run_work(o, fn, done);
		return;
	}
	o->then = fn;
	o->then_done = done;
	o->host = (sp_host_call){.done = on_copied, .arg = o};
	o->opts->host->call(o->opts->host, SP_HOST_CNI_CONFS, &none, &o->host);
}

/* False: nobody waits any more. */
static bool is_wanted(op *o)
{
	o->working = false;
	if (o->call != NULL)
		return true;
	op_free(o);
	return false;
}

static void read_list(op *o)
{
	sp_str text;
	const cni_opts *opts = o->opts;
	o->code = cni_load(o->world, opts->conf_dir, &o->arena, &text, &o->err);
	if (o->code != SP_OK && o->good.len > 0) {
		o->keeps_good = true;
		text = o->good;
		o->code = SP_OK;
	}
	if (o->code != SP_OK || text.len == 0)
		return;
	o->found = true;
	o->rec.conf = text;
	o->code = cni_list_parse(text, &o->arena, &o->list, &o->err);
	o->rec.network = o->list.name;
}

static void copy_good(op *o)
{
	o->good = sp_arena_try_dup(&o->arena, sp_buf_view(&o->n->good));
}

static void keep_good(op *o)
{
	cni *n = o->n;
	if (o->keeps_good) {
		sp_log(n->opts->log, SP_LOG_WARN,
		       "the network configuration can't be used, the one before stays", SP_KE(&o->err));
		return;
	}
	sp_buf_clear(&n->good);
	if (o->code == SP_OK && o->found)
		(void)sp_buf_append(&n->good, o->rec.conf.ptr, o->rec.conf.len);
}

/* ---- plugins ---- */

static const char *const verb_names[SP_HOST_CNI_VERBS_] = {
	[SP_HOST_CNI_ADD] = "add", [SP_HOST_CNI_DEL] = "delete",    [SP_HOST_CNI_CHECK] = "check",
	[SP_HOST_CNI_GC] = "gc",   [SP_HOST_CNI_STATUS] = "status", [SP_HOST_CNI_VERSION] = "version",
};

static void run_plugin(op *o);

static const cni_plugin *plugin_of(const op *o)
{
	/* DEL goes backwards. */
	return &o->list.plugins[o->verb == SP_HOST_CNI_DEL ? o->list.n_plugins - 1 - o->i : o->i];
}

static sp_code take_answer(op *o, const sp_host_cni_answer *a, sp_err *err)
{
	sp_str type = plugin_of(o)->type;
	if (a->status != 0)
		return cni_failure(type, verb_names[o->verb], a->output, a->errors, a->status, err);
	if (o->verb != SP_HOST_CNI_ADD)
		return SP_OK;
	sp_err mine;
	sp_str *ips = NULL;
	size_t n_ips = 0;
	sp_code code = a->cut ? sp_fail(&mine, SP_ETOOLARGE, "the result is too large")
			      : cni_result_parse(a->output, IF_NAME, &o->arena, &ips, &n_ips, &mine);
	if (code != SP_OK)
		return sp_fail(err, SP_EPROTO, "plugin type=\"" SP_FMT "\" failed (add): %s", SP_ARG(type),
			       mine.msg);
	o->result.ips.at = ips;
	o->result.ips.n = n_ips;
	o->rec.result = sp_arena_try_dup(&o->arena, a->output);
	return o->rec.result.len == a->output.len
		       ? SP_OK
		       : sp_fail(err, SP_ENOMEM, "no memory for a plugin's result");
}

static void on_plugin(sp_host_call *c, const void *response, const sp_err *err)
{
	op *o = c->arg;
	sp_err mine;
	if (err == NULL && take_answer(o, response, &mine) != SP_OK)
		err = &mine;
	if (err != NULL)
		failed(o, err);
	/* What one plugin of DEL or GC could not do does not keep the others from it. */
	bool goes_on = o->code == SP_OK || o->verb == SP_HOST_CNI_DEL || o->verb == SP_HOST_CNI_GC;
	o->i = goes_on ? o->i + 1 : o->list.n_plugins;
	run_plugin(o);
}

static void run_plugin(op *o)
{
	if (o->i >= o->list.n_plugins) {
		o->after(o);
		return;
	}
	const cni_plugin *p = plugin_of(o);
	bool has_prev = o->verb == SP_HOST_CNI_ADD || cni_version_is(o->list.version, "0.4.0");
	const cni_input in = {.list = &o->list,
			      .caps = &o->rec.caps,
			      .prev = has_prev ? o->rec.result : (sp_str){NULL, 0},
			      .valid = o->ids,
			      .n_valid = o->n_ids,
			      .gc = o->verb == SP_HOST_CNI_GC};
	SP_AUTO_BUF input;
	sp_buf_init(&input, INPUT_BYTES);
	cni_input_write(&in, (size_t)(p - o->list.plugins), &input);
	o->host = (sp_host_call){.done = on_plugin, .arg = o};
	if (sp_buf_code(&input) != SP_OK) {
		sp_err err;
		(void)sp_fail(&err, sp_buf_code(&input), "the input of a CNI plugin is too large");
		failed(o, &err);
		o->after(o);
		return;
	}
	const sp_host_cni q = {.id = o->rec.id,
			       .verb = (int32_t)o->verb,
			       .type = p->type,
			       .if_name = o->rec.if_name,
			       .args = o->rec.args,
			       .config = sp_buf_view(&input)};
	o->opts->host->call(o->opts->host, SP_HOST_CNI, &q, &o->host);
}

static void run_all(op *o, sp_host_cni_verb verb, void (*after)(op *o))
{
	o->verb = verb;
	o->after = after;
	o->i = 0;
	run_plugin(o);
}

/* ---- the other network ---- */

static void on_inner(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	op *o = c->arg;
	o->inner_of = NULL;
	if (err != NULL)
		failed(o, err);
	if (a != NULL)
		o->result = *a; /* good during this call, which finish stays in */
	finish(o);
}

static sp_pod_network_call *to_builtin(op *o)
{
	o->inner = (sp_pod_network_call){.done = on_inner, .arg = o};
	o->inner_of = o->opts->builtin;
	return &o->inner;
}

/* ---- attaching ---- */

static void tell_setup_failed(op *o)
{
	if (o->code != SP_OK)
		(void)sp_wrap(&o->err, "failed to setup network for sandbox \"" SP_FMT "\"", SP_ARG(o->id));
	finish(o);
}

static void save(sp_work *w)
{
	op *o = w->arg;
	o->code = cni_record_save(o->world, o->opts->cache_dir, &o->rec, &o->arena, &o->err);
}

static void on_saved(sp_work *w)
{
	op *o = w->arg;
	if (is_wanted(o))
		tell_setup_failed(o);
}

static void added(op *o)
{
	sp_err err;
	if (o->code == SP_OK && o->result.ips.n == 0) {
		(void)sp_fail(&err, SP_EPROTO, "failed to find network info for sandbox \"" SP_FMT "\"",
			      SP_ARG(o->id));
		failed(o, &err);
	}
	if (o->code != SP_OK)
		tell_setup_failed(o);
	else
		run_work(o, save, on_saved);
}

/* What is to be taken back is on disk before anything is done. */
static void prepare(sp_work *w)
{
	op *o = w->arg;
	read_list(o);
	if (o->code == SP_OK && o->found)
		save(w);
}

static void on_prepared(sp_work *w)
{
	op *o = w->arg;
	sp_pod_network *b = o->opts->builtin;
	if (!is_wanted(o))
		return;
	keep_good(o);
	if (o->code == SP_OK && !o->found) {
		b->attach(b, o->id, o->config, to_builtin(o));
		return;
	}
	if (o->code != SP_OK) {
		sp_log(o->opts->log, SP_LOG_ERROR, "no network configuration can be used", SP_KE(&o->err));
		o->code = sp_fail(&o->err, SP_EUNAVAILABLE, NOT_INITIALIZED);
		tell_setup_failed(o);
		return;
	}
	run_all(o, SP_HOST_CNI_ADD, added);
}

static void attach(sp_pod_network *base, sp_str id, const sp_cri_pod_sandbox_config *config,
		   sp_pod_network_call *c)
{
	cni *n = of(base);
	op *o = begin(n, c, id);
	o->verb = SP_HOST_CNI_ADD;
	o->config = config;
	o->rec.id = o->id;
	o->rec.if_name = IF_NAME;
	o->rec.args = cni_args_of(config, o->id, &o->arena);
	if (o->code == SP_OK)
		o->code = cni_capabilities_of(config, n->ip_range, &o->arena, &o->rec.caps, &o->err);
	copy_good(o);
	run_on_confs(o, prepare, on_prepared);
}

/* ---- detaching ---- */

static void forget(sp_work *w)
{
	op *o = w->arg;
	o->code = cni_record_remove(o->world, o->opts->cache_dir, o->id, &o->arena, &o->err);
}

static void on_forgotten(sp_work *w)
{
	op *o = w->arg;
	if (is_wanted(o))
		finish(o);
}

static void deleted(op *o)
{
	if (o->code == SP_OK) {
		run_work(o, forget, on_forgotten);
		return;
	}
	(void)sp_wrap(&o->err, "failed to destroy network for sandbox \"" SP_FMT "\"", SP_ARG(o->id));
	finish(o);
}

static void recall(sp_work *w)
{
	op *o = w->arg;
	const cni_opts *opts = o->opts;
	sp_str now;
	o->code = cni_record_load(o->world, opts->cache_dir, o->id, &o->arena, &o->rec, &o->err);
	if (o->code == SP_OK) {
		o->found = true;
		o->code = cni_list_parse(o->rec.conf, &o->arena, &o->list, &o->err);
	} else if (o->code == SP_ENOTFOUND) {
		/* Never attached by plugins, or taken off before: not the other network's either, when that
		 * is not in use. */
		o->code = SP_OK;
		o->keeps_good =
			cni_load(o->world, opts->conf_dir, &o->arena, &now, NULL) != SP_OK || now.len > 0;
	}
}

static void on_recalled(sp_work *w)
{
	op *o = w->arg;
	sp_pod_network *b = o->opts->builtin;
	if (!is_wanted(o))
		return;
	if (o->code != SP_OK || (!o->found && o->keeps_good && o->old.host_if.len == 0))
		finish(o);
	else if (!o->found)
		b->detach(b, o->id, &o->old, to_builtin(o));
	else
		run_all(o, SP_HOST_CNI_DEL, deleted);
}

static void detach(sp_pod_network *base, sp_str id, const sp_pod_attachment *a, sp_pod_network_call *c)
{
	op *o = begin(of(base), c, id);
	sp_str *ips = sp_try_new(&o->arena, sp_str, a->ips.n + 1);
	o->verb = SP_HOST_CNI_DEL;
	for (size_t i = 0; ips != NULL && i < a->ips.n; i++)
		ips[i] = sp_arena_try_dup(&o->arena, a->ips.at[i]);
	o->old.ips.at = ips;
	o->old.ips.n = ips != NULL ? a->ips.n : 0;
	o->old.host_if = sp_arena_try_dup(&o->arena, a->host_if);
	run_work(o, recall, on_recalled);
}

/* ---- pods that were there at the start ---- */

static void on_checkable(sp_work *w)
{
	op *o = w->arg;
	if (!is_wanted(o))
		return;
	if (o->code == SP_OK && o->found && !o->list.disable_check &&
	    cni_version_is(o->list.version, "0.4.0"))
		run_all(o, SP_HOST_CNI_CHECK, finish);
	else
		finish(o);
}

static void check_next(cni *n);

static void on_checked(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	cni *n = c->arg;
	(void)a;
	if (err != NULL)
		sp_log(n->opts->log, SP_LOG_WARN, "the network of a pod is not as it was made",
		       SP_KS("sandbox", n->to_check[n->n_to_check]), SP_KE(err));
	check_next(n);
}

/* One after the other, and nobody waits for it. */
static void check_next(cni *n)
{
	if (n->n_to_check == 0)
		return;
	n->checking = (sp_pod_network_call){.done = on_checked, .arg = n};
	op *o = begin(n, &n->checking, n->to_check[--n->n_to_check]);
	o->verb = SP_HOST_CNI_CHECK;
	run_work(o, recall, on_checkable);
}

static void check_later(cni *n, const sp_str *ids, size_t n_ids)
{
	n->to_check = sp_try_new(&n->ids, sp_str, n_ids + 1);
	for (size_t i = 0; n->to_check != NULL && i < n_ids; i++) {
		sp_str id = sp_arena_try_dup(&n->ids, ids[i]);
		if (id.len > 0)
			n->to_check[n->n_to_check++] = id;
	}
}

/* ---- what others left ---- */

static void next_stale(op *o);

static void on_stale_gone(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	op *o = c->arg;
	(void)a;
	o->inner_of = NULL;
	if (err != NULL)
		sp_log(o->opts->log, SP_LOG_WARN, "the network of a pod that is gone could not be taken back",
		       SP_KE(err));
	next_stale(o);
}

static void settled(op *o)
{
	cni *n = o->n;
	o->code = SP_OK;
	finish(o);
	check_next(n);
}

static void collected(op *o)
{
	if (o->code != SP_OK)
		sp_log(o->opts->log, SP_LOG_WARN, "CNI plugins could not collect what is left",
		       SP_KE(&o->err));
	settled(o);
}

static void next_stale(op *o)
{
	static const sp_pod_attachment none;
	if (o->n_stale > 0) {
		sp_str id = o->stale[--o->n_stale];
		o->inner = (sp_pod_network_call){.done = on_stale_gone, .arg = o};
		o->inner_of = &o->n->base;
		detach(&o->n->base, id, &none, &o->inner);
		return;
	}
	if (o->found && !o->list.disable_gc && cni_version_is(o->list.version, "1.1.0"))
		run_all(o, SP_HOST_CNI_GC, collected);
	else
		settled(o);
}

static bool is_kept(const op *o, sp_str id)
{
	for (size_t i = 0; i < o->n_ids; i++) {
		if (sp_str_eq(o->ids[i], id))
			return true;
	}
	return false;
}

static void find_stale(sp_work *w)
{
	op *o = w->arg;
	sp_dir_entry *entries;
	size_t n;
	/* The one of the directory only: errors are told to whoever attaches a pod. */
	read_list(o);
	if (o->code != SP_OK)
		o->found = false;
	o->code = SP_OK;
	if (sp_dir_list(o->world, o->opts->cache_dir, &o->arena, &entries, &n, NULL) != SP_OK)
		return;
	o->stale = sp_try_new(&o->arena, sp_str, n + 1);
	for (size_t i = 0; o->stale != NULL && i < n; i++) {
		if (entries[i].type == SP_TYPE_FILE && !is_kept(o, entries[i].name))
			o->stale[o->n_stale++] = entries[i].name;
	}
}

static void on_stale_found(sp_work *w)
{
	op *o = w->arg;
	if (!is_wanted(o))
		return;
	keep_good(o);
	next_stale(o);
}

static void settle(sp_pod_network *base, const sp_str *ids, size_t n_ids, sp_pod_network_call *c)
{
	op *o = begin(of(base), c, SP_STR(""));
	o->verb = SP_HOST_CNI_GC;
	o->ids = ids;
	o->n_ids = n_ids;
	check_later(o->n, ids, n_ids);
	run_on_confs(o, find_stale, on_stale_found);
}

/* ---- the state ---- */

static void seen(op *o)
{
	cni *n = o->n;
	n->code = o->code;
	n->why = o->err;
	o->code = SP_OK;
	finish(o);
}

static void look(sp_work *w)
{
	read_list(w->arg);
}

static void on_looked(sp_work *w)
{
	op *o = w->arg;
	if (!is_wanted(o))
		return;
	keep_good(o);
	if (o->code != SP_OK) {
		sp_log(o->opts->log, SP_LOG_WARN, "no network configuration can be used", SP_KE(&o->err));
		o->code = sp_fail(&o->err, SP_EUNAVAILABLE, NOT_INITIALIZED);
	}
	if (o->code == SP_OK && o->found && cni_version_is(o->list.version, "1.1.0"))
		run_all(o, SP_HOST_CNI_STATUS, seen);
	else
		seen(o);
}

static void refresh(sp_pod_network *base, sp_pod_network_call *c)
{
	op *o = begin(of(base), c, SP_STR(""));
	o->verb = SP_HOST_CNI_STATUS;
	copy_good(o);
	run_on_confs(o, look, on_looked);
}

static sp_code ready(sp_pod_network *base, sp_err *err)
{
	const cni *n = of(base);
	if (n->code != SP_OK)
		return sp_fail(err, n->code, "Network plugin returns error: %s", n->why.msg);
	return n->opts->builtin->ready(n->opts->builtin, err);
}

/* ---- the rest ---- */

static void cancel(sp_pod_network *base, sp_pod_network_call *c)
{
	cni *n = of(base);
	op *o = c->impl;
	if (o == NULL)
		return;
	c->impl = NULL;
	if (o->inner_of != NULL)
		o->inner_of->cancel(o->inner_of, &o->inner);
	o->call = NULL;
	if (o->working)
		return; /* the worker's end frees it */
	n->opts->host->cancel(n->opts->host, &o->host);
	op_free(o);
}

static sp_code adopt(sp_pod_network *base, sp_str id, const sp_cri_pod_sandbox_config *config,
		     const sp_pod_attachment *a, sp_err *err)
{
	sp_pod_network *b = of(base)->opts->builtin;
	/* Plugins keep their own books. */
	return a->host_if.len == 0 ? SP_OK : b->adopt(b, id, config, a, err);
}

/* Pods of plugins have addresses of the plugins' own. */
static sp_code set_range(sp_pod_network *base, sp_str prefix, sp_err *err)
{
	cni *n = of(base);
	sp_pod_network *b = n->opts->builtin;
	SP_TRY(b->set_range(b, prefix, err));
	if (n->opts->ip_range.len == 0 && prefix.len <= sizeof n->range) {
		memcpy(n->range, prefix.ptr, prefix.len);
		n->ip_range = (sp_str){n->range, prefix.len};
	}
	return SP_OK;
}

static bool is_stale(sp_pod_network *base, const sp_pod_attachment *a)
{
	sp_pod_network *b = of(base)->opts->builtin;
	return a->host_if.len > 0 && b->is_stale(b, a);
}

sp_pod_network *cni_new(sp_world *w, const cni_opts *opts)
{
	cni *n = SP_NEW(cni);
	*n = (cni){.world = w,
		   .opts = opts,
		   .ip_range = opts->ip_range,
		   .base = {.attach = attach,
			    .detach = detach,
			    .cancel = cancel,
			    .adopt = adopt,
			    .settle = settle,
			    .refresh = refresh,
			    .ready = ready,
			    .set_range = set_range,
			    .is_stale = is_stale}};
	sp_buf_init(&n->good, 2 * CNI_CONF_BYTES);
	sp_arena_init(&n->ids, IDS_BYTES);
	return &n->base;
}

void cni_free(sp_pod_network *base)
{
	if (base == NULL)
		return;
	cni *n = of(base);
	cancel(base, &n->checking);
	sp_arena_done(&n->ids);
	sp_buf_done(&n->good);
	sp_free(n);
}
