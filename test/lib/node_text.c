/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/node_text.h"

#include <stdio.h>

#include "base/num.h"
#include "lib/t.h"

/* Cuts the next word off. */
static bool word(sp_str *in, sp_str *ret)
{
	*in = sp_str_trim(*in);
	if (in->len == 0)
		return false;
	if (!sp_str_cut(in, ' ', ret)) {
		*ret = *in;
		in->len = 0;
	}
	return true;
}
static bool part(sp_str *in, sp_str *ret)
{
	if (in->len == 0)
		return false;
	if (!sp_str_cut(in, ';', ret)) {
		*ret = *in;
		in->len = 0;
	}
	return true;
}

typedef struct lists {
	sp_buf init, main, debug;
} lists;

static void add_container(lists *l, sp_str kind, sp_str rest)
{
	sp_str name = {NULL, 0}, w;
	sp_buf *to = sp_str_eq(kind, SP_STR("main"))    ? &l->main
		     : sp_str_eq(kind, SP_STR("debug")) ? &l->debug
							: &l->init;
	(void)word(&rest, &name);
	if (to->len > 0)
		(void)sp_buf_char(to, ',');
	(void)sp_buf_printf(to, "{\"name\":\"" SP_FMT "\",\"image\":\"img\"", SP_ARG(name));
	if (sp_str_eq(kind, SP_STR("sidecar")))
		(void)sp_buf_printf(to, ",\"restartPolicy\":\"Always\"");
	while (word(&rest, &w)) {
		if (sp_str_take(&w, SP_STR("cpu=")))
			(void)sp_buf_printf(to, ",\"resources\":{\"limits\":{\"cpu\":\"" SP_FMT "\"}}",
					    SP_ARG(w));
		else if (sp_str_take(&w, SP_STR("policy=")))
			(void)sp_buf_printf(to, ",\"restartPolicy\":\"" SP_FMT "\"", SP_ARG(w));
		else if (sp_str_take(&w, SP_STR("rule=")))
			(void)sp_buf_printf(to,
					    ",\"restartPolicyRules\":[{\"action\":\"Restart\",\"exitCodes\":{"
					    "\"operator\":\"In\",\"values\":[" SP_FMT "]}}]",
					    SP_ARG(w));
		else if (sp_str_eq(w, SP_STR("cpu-restarts")))
			(void)sp_buf_printf(to, ",\"resizePolicy\":[{\"resourceName\":\"cpu\","
						"\"restartPolicy\":\"RestartContainer\"}]");
		else
			(void)sp_buf_printf(to, ",\"" SP_FMT "Probe\":{\"exec\":{\"command\":[\"x\"]}}",
					    SP_ARG(w));
	}
	(void)sp_buf_char(to, '}');
}

sp_code node_text_pod(const char *text, node_pod **ret, sp_err *err)
{
	lists l;
	sp_str in = sp_str_c(text), p, restart = SP_STR("Always"), phase = SP_STR("Pending");
	bool deleted = false, host = false;
	SP_AUTO_BUF json;
	sp_buf_init(&json, 1 << 20);
	sp_buf_init(&l.init, 1 << 20);
	sp_buf_init(&l.main, 1 << 20);
	sp_buf_init(&l.debug, 1 << 20);
	while (part(&in, &p)) {
		sp_str kind = {NULL, 0};
		if (!word(&p, &kind))
			continue;
		if (sp_str_take(&kind, SP_STR("restart=")))
			restart = kind;
		else if (sp_str_take(&kind, SP_STR("phase=")))
			phase = kind;
		else if (sp_str_eq(kind, SP_STR("deleted")))
			deleted = true;
		else if (sp_str_eq(kind, SP_STR("host")))
			host = true;
		else
			add_container(&l, kind, p);
	}
	(void)sp_buf_printf(&json,
			    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"%s},\"spec\":{"
			    "\"restartPolicy\":\"" SP_FMT "\",\"hostNetwork\":%s,\"initContainers\":[" SP_FMT
			    "],\"containers\":[" SP_FMT "],\"ephemeralContainers\":[" SP_FMT
			    "]},\"status\":{\"phase\":\"" SP_FMT "\"}}",
			    deleted ? ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"" : "", SP_ARG(restart),
			    host ? "true" : "false", SP_ARG(sp_buf_view(&l.init)),
			    SP_ARG(sp_buf_view(&l.main)), SP_ARG(sp_buf_view(&l.debug)), SP_ARG(phase));
	sp_buf_done(&l.init);
	sp_buf_done(&l.main);
	sp_buf_done(&l.debug);
	SP_TRY(sp_buf_code(&json));
	SP_TRY(node_pod_parse(sp_buf_view(&json), ret, err));
	T_DEFER(node_pod_free, *ret);
	return SP_OK;
}

static node_verdict verdict_of(void *arg, node_probe_kind kind, sp_str id)
{
	const node_text *t = arg;
	for (size_t i = 0; i < t->n_known; i++) {
		if (sp_str_eq(t->known[i].id, id))
			return t->known[i].of[kind];
	}
	return NODE_VERDICT_NONE;
}

static bool take_verdict(node_text *t, sp_str id, sp_str w)
{
	static const char *const names[] = {"startup=", "liveness=", "readiness="};
	for (size_t k = 0; k < SP_LEN(names); k++) {
		if (!sp_str_take(&w, sp_str_c(names[k])))
			continue;
		size_t i = 0;
		while (i < t->n_known && !sp_str_eq(t->known[i].id, id))
			i++;
		t->known[i].id = id;
		t->n_known = SP_MAX(t->n_known, i + 1);
		t->known[i].of[k] = sp_str_eq(w, SP_STR("ok")) ? NODE_VERDICT_SUCCESS : NODE_VERDICT_FAILURE;
		return true;
	}
	return false;
}

static sp_code add_seen(node_text *t, sp_str name, sp_str rest, int64_t at_ns, sp_err *err)
{
	sp_cri_container_metadata meta = {.name = name};
	sp_cri_image_spec image = {.image = SP_STR("img")};
	const node_container *c = node_pod_container(t->pod, name);
	sp_str w, id = sp_arena_printf(T_ARENA, SP_FMT "-%lld", SP_ARG(name), (long long)at_ns);
	uint64_t hash = c == NULL ? 0 : c->hash, number, has = 0;
	sp_str restarts = SP_STR("0");
	sp_cri_container_status s = {.id = id,
				     .metadata = &meta,
				     .image = &image,
				     .image_ref = SP_STR("sha256:1"),
				     .created_at = at_ns,
				     .started_at = at_ns};
	while (word(&rest, &w)) {
		if (sp_str_eq(w, SP_STR("run")))
			s.state = SP_CRI_CONTAINER_RUNNING;
		else if (sp_str_eq(w, SP_STR("created")))
			s.state = SP_CRI_CONTAINER_CREATED;
		else if (sp_str_eq(w, SP_STR("unknown")))
			s.state = SP_CRI_CONTAINER_UNKNOWN;
		else if (sp_str_eq(w, SP_STR("changed")))
			hash++;
		else if (sp_str_take(&w, SP_STR("restarts=")))
			restarts = w;
		else if (sp_str_take(&w, SP_STR("has="))) {
			SP_TRY(sp_parse_u64(w, 0, INT32_MAX, &has, err));
		} else if (sp_str_take(&w, SP_STR("exit="))) {
			SP_TRY(sp_parse_u64(w, 0, 255, &number, err));
			s.state = SP_CRI_CONTAINER_EXITED;
			s.exit_code = (int32_t)number;
			s.finished_at = at_ns + 1;
			s.reason = number == 0 ? SP_STR("Completed") : SP_STR("Error");
		} else if (!take_verdict(t, id, w)) {
			return sp_fail(err, SP_EINVAL, "unknown word '" SP_FMT "'", SP_ARG(w));
		}
	}
	sp_pb_pair notes[] = {
		{SP_STR(NODE_NOTE_HASH), sp_arena_printf(T_ARENA, "%llx", (unsigned long long)hash)},
		{SP_STR(NODE_NOTE_RESTARTS), restarts}};
	s.annotations.at = notes;
	s.annotations.n = SP_LEN(notes);
	SP_TRY(node_seen_add_container(&t->seen, T_ARENA, &s, SP_STR("box"), err));
	node_seen_container *added = &t->seen.containers[t->seen.n_containers - 1];
	added->has_actuated = has != 0;
	added->actuated.cpu_limit = (int64_t)has;
	added->reported.cpu_limit = (int64_t)has;
	return SP_OK;
}

static sp_code add_box(node_text *t, sp_str w, int64_t at_ns, sp_err *err)
{
	sp_cri_pod_sandbox_metadata meta = {0};
	sp_cri_pod_sandbox_network_status net = {.ip = SP_STR("10.1.0.5")};
	sp_cri_namespace_option options = {.network = t->pod->v.host_network ? SP_CRI_NAMESPACE_NODE
									     : SP_CRI_NAMESPACE_POD};
	sp_cri_namespace spaces = {.options = &options};
	sp_cri_linux_pod_sandbox_status linux_ = {.namespaces = &spaces};
	sp_cri_pod_sandbox_status b = {
		.metadata = &meta, .network = &net, .linux_ = &linux_, .created_at = at_ns};
	if (sp_str_take(&w, SP_STR("dead")))
		b.state = SP_CRI_SANDBOX_NOTREADY;
	if (sp_str_take(&w, SP_STR("bare")))
		b.network = NULL;
	uint64_t attempt = 0;
	if (sp_str_take(&w, SP_STR("box=")))
		SP_TRY(sp_parse_u64(w, 0, 99, &attempt, err));
	meta.attempt = (uint32_t)attempt;
	b.id = sp_arena_printf(T_ARENA, "box-%llu", (unsigned long long)attempt);
	return node_seen_add_sandbox(&t->seen, T_ARENA, &b, err);
}

sp_code node_text_make(const char *pod, const char *seen, node_text *ret, sp_err *err)
{
	sp_str in = sp_str_c(seen), p, first;
	int64_t at_ns = 1000;
	*ret = (node_text){.verdicts = {.of = verdict_of}};
	SP_TRY(node_text_pod(pod, &ret->pod, err));
	while (part(&in, &p)) {
		if (!word(&p, &first))
			continue;
		at_ns += 1000;
		if (sp_str_find(first, SP_STR("box")) >= 0)
			SP_TRY(add_box(ret, first, at_ns, err));
		else
			SP_TRY(add_seen(ret, first, p, at_ns, err));
	}
	node_seen_sort(&ret->seen);
	return SP_OK;
}
