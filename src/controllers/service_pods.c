/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/service_pods.h"

#include <stdio.h>
#include <stdlib.h>

SP_VIEW(svc_view_desc, svc_view, "v1/Service", SP_V(svc_view, deleted, "metadata.deletionTimestamp"),
	SP_V(svc_view, created, "metadata.creationTimestamp"),
	SP_V(svc_view, annotations, "metadata.annotations"),
	SP_V(svc_view, traffic, "spec.trafficDistribution"), SP_V(svc_view, type, "spec.type"),
	SP_V(svc_view, cluster_ip, "spec.clusterIP"), SP_V(svc_view, labels, "metadata.labels"),
	SP_V(svc_view, selector, "spec.selector"), SP_V(svc_view, ports, "spec.ports"),
	SP_V(svc_view, families, "spec.ipFamilies"),
	SP_V(svc_view, publish_not_ready, "spec.publishNotReadyAddresses"));

SP_VIEW(svc_pod_desc, svc_pod, "v1/Pod", SP_V(svc_pod, ip, "status.podIP"),
	SP_V(svc_pod, node, "spec.nodeName"), SP_V(svc_pod, hostname, "spec.hostname"),
	SP_V(svc_pod, subdomain, "spec.subdomain"), SP_V(svc_pod, phase, "status.phase"),
	SP_V(svc_pod, deleted, "metadata.deletionTimestamp"), SP_V(svc_pod, ips, "status.podIPs"),
	SP_V(svc_pod, conditions, "status.conditions"), SP_V(svc_pod, containers, "spec.containers"),
	SP_V(svc_pod, labels, "metadata.labels"));

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- which services a pod concerns ---- */

/* "namespace/key=value": names and values of labels are shorter than that. */
#define PAIR_BYTES_MAX 512u

/* Services by one pair of their selector, which every pod of theirs has among its labels. */
static void keys_of_service(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_obj_iter it =
		yyjson_obj_iter_with(sp_json_last(sp_json_last(object, SP_STR("spec")), SP_STR("selector")));
	yyjson_val *k = yyjson_obj_iter_next(&it);
	(void)arg;
	if (k == NULL)
		return;
	const sp_str parts[] = {o->ns, SP_STR("/"), sp_json_str(k), SP_STR("="),
				sp_json_str(yyjson_obj_iter_get_val(k))};
	sp_index_emit_parts(keys, parts, SP_LEN(parts));
}

static void wake_services(svc_controller *s, const sp_object *pod, sp_vmap labels)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(labels.object);
	yyjson_val *k;
	while ((k = yyjson_obj_iter_next(&it)) != NULL) {
		char key[PAIR_BYTES_MAX];
		const sp_object *o;
		int len = snprintf(key, sizeof key, SP_FMT "/" SP_FMT "=" SP_FMT, SP_ARG(pod->ns),
				   SP_ARG(sp_json_str(k)), SP_ARG(sp_json_str(yyjson_obj_iter_get_val(k))));
		size_t n = len > 0 && (size_t)len < sizeof key ? (size_t)len : 0;
		sp_index_at at = sp_informer_find(s->services, s->by_pair, (sp_str){key, n});
		while ((o = sp_index_next(&at)) != NULL)
			sp_queue_add(s->base.queue, o->key);
	}
}

static bool read_pod(sp_arena *a, const sp_object *o, svc_pod *ret)
{
	if (o == NULL || sp_view(a, o->json, &svc_pod_desc, ret, NULL) != SP_OK)
		return false;
	ret->object = o;
	SP_VLIST_FOREACH(c, ret->conditions)
	{
		if (sp_str_eq(text(c, "type"), SP_STR("Ready")))
			ret->is_ready = sp_str_eq(text(c, "status"), SP_STR("True"));
	}
	return true;
}

static bool same_json(yyjson_val *a, yyjson_val *b)
{
	return a == NULL || b == NULL ? a == b : yyjson_equals(a, b);
}

static bool same_list(sp_vlist a, sp_vlist b)
{
	yyjson_val *v = b.first;
	if (a.n != b.n)
		return false;
	SP_VLIST_FOREACH(u, a)
	{
		if (!yyjson_equals(u, v))
			return false;
		v = unsafe_yyjson_get_next(v);
	}
	return true;
}

/* Nothing that endpoints show. */
static bool is_unchanged(const svc_pod *a, const svc_pod *b)
{
	return a->is_ready == b->is_ready && sp_str_eq(a->phase, b->phase) && sp_str_eq(a->ip, b->ip) &&
	       sp_str_eq(a->node, b->node) && (a->deleted.len > 0) == (b->deleted.len > 0) &&
	       same_list(a->ips, b->ips) && same_json(a->labels.object, b->labels.object);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	svc_controller *s = arg;
	svc_pod was, is;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	bool had = read_pod(&a, old, &was), has = read_pod(&a, now, &is);
	if (!had || !has || !is_unchanged(&was, &is)) {
		if (had)
			wake_services(s, old, was.labels);
		if (has)
			wake_services(s, now, is.labels);
	}
	sp_arena_done(&a);
}

sp_code svc_open(svc_controller *s, sp_err *err)
{
	controller *c = &s->base;
	SP_TRY(controller_follow(c, SP_SERVICES, &svc_view_desc, &s->services, err));
	SP_TRY(controller_follow(c, SP_PODS, &svc_pod_desc, &s->pods, err));
	SP_TRY(sp_informer_index(s->services, keys_of_service, NULL, &s->by_pair, err));
	SP_TRY(sp_informer_index(s->pods, sp_index_by_namespace, NULL, &s->pods_by_ns, err));
	controller_watch(s->services, &s->service_watch, controller_enqueue, c);
	controller_watch(s->pods, &s->pod_watch, on_pod, s);
	return SP_OK;
}

/* ---- a service ---- */

sp_code svc_read(sp_arena *a, const sp_object *o, svc_view *ret, sp_err *err)
{
	SP_TRY(sp_view(a, o->json, &svc_view_desc, ret, err));
	bool none = sp_vmap_count(ret->selector) == 0 || sp_str_eq(ret->type, SP_STR("ExternalName")) ||
		    ret->deleted.len > 0;
	return none ? SP_ENOTFOUND : SP_OK;
}

static int by_name(const void *a, const void *b)
{
	return sp_str_cmp(((const svc_pod *)a)->object->name, ((const svc_pod *)b)->object->name);
}

static bool is_behind(const svc_pod *p)
{
	bool over = sp_str_eq(p->phase, SP_STR("Succeeded")) || sp_str_eq(p->phase, SP_STR("Failed"));
	return !over && p->ip.len > 0;
}

sp_code svc_read_pods(svc_controller *s, sp_arena *a, const sp_object *service, const svc_view *v,
		      svc_pod **ret, size_t *ret_n, sp_err *err)
{
	const sp_object *o;
	sp_selector selector;
	SP_TRY(ctl_selector(a, v->selector.object, true, &selector, err));
	size_t most = sp_informer_find_count(s->pods, s->pods_by_ns, service->ns), n = 0;
	svc_pod *pods = sp_try_new(a, svc_pod, most + 1);
	if (pods == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", most);
	sp_index_at at = sp_informer_find(s->pods, s->pods_by_ns, service->ns);
	while ((o = sp_index_next(&at)) != NULL) {
		if (!read_pod(a, o, &pods[n]))
			return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", most);
		if (!sp_labels_match_json(&selector, pods[n].labels.object) || !is_behind(&pods[n]))
			continue;
		if (ctl_hold(a, o) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for %zu pods", most);
		n++;
	}
	qsort(pods, n, sizeof *pods, by_name);
	*ret = pods;
	*ret_n = n;
	return SP_OK;
}

sp_str svc_ready_since(const svc_pod *p)
{
	SP_VLIST_FOREACH(c, p->conditions)
	{
		if (sp_str_eq(text(c, "type"), SP_STR("Ready")))
			return text(c, "lastTransitionTime");
	}
	return SP_STR("");
}

/* ---- ports ---- */

static sp_str protocol_of(yyjson_val *v)
{
	sp_str p = text(v, "protocol");
	return p.len > 0 ? p : SP_STR("TCP");
}

/* 0: the pod has no port of that name. */
static int64_t find_port(const svc_pod *p, sp_str name, sp_str protocol)
{
	SP_VLIST_FOREACH(c, p->containers)
	{
		yyjson_val *port;
		size_t i, n;
		yyjson_arr_foreach(sp_json_last(c, SP_STR("ports")), i, n, port)
		{
			if (sp_str_eq(text(port, "name"), name) && sp_str_eq(protocol_of(port), protocol))
				return yyjson_get_sint(sp_json_last(port, SP_STR("containerPort")));
		}
	}
	return 0;
}

void svc_ports_of(const svc_view *v, const svc_pod *p, svc_ports *ret)
{
	ret->n = 0;
	SP_VLIST_FOREACH(port, v->ports)
	{
		yyjson_val *target = sp_json_last(port, SP_STR("targetPort"));
		sp_str protocol = protocol_of(port);
		int64_t number = yyjson_get_sint(sp_json_last(port, SP_STR("port")));
		if (yyjson_is_str(target))
			number = find_port(p, sp_json_str(target), protocol);
		else if (yyjson_is_int(target) && yyjson_get_sint(target) != 0)
			number = yyjson_get_sint(target);
		if (number == 0 || ret->n == SVC_PORTS_MAX)
			continue;
		ret->at[ret->n++] =
			(svc_port){text(port, "name"), protocol, text(port, "appProtocol"), number};
	}
}

bool svc_ports_equal(const svc_ports *a, const svc_ports *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const svc_port *p = &a->at[i], *q = &b->at[i];
		if (p->number != q->number || !sp_str_eq(p->name, q->name) ||
		    !sp_str_eq(p->protocol, q->protocol) || !sp_str_eq(p->app_protocol, q->app_protocol))
			return false;
	}
	return true;
}

void svc_ports_write(sp_jout *j, const svc_ports *p, bool empty_names)
{
	sp_jout_member_open(j, SP_STR("ports"), '[');
	for (size_t i = 0; i < p->n; i++) {
		sp_jout_open(j, '{');
		if (empty_names || p->at[i].name.len > 0)
			sp_jout_member_str(j, SP_STR("name"), p->at[i].name);
		sp_jout_member_i64(j, SP_STR("port"), p->at[i].number);
		sp_jout_member_str(j, SP_STR("protocol"), p->at[i].protocol);
		if (p->at[i].app_protocol.len > 0)
			sp_jout_member_str(j, SP_STR("appProtocol"), p->at[i].app_protocol);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

sp_str svc_ip_of(const svc_pod *p, bool v6)
{
	SP_VLIST_FOREACH(v, p->ips)
	{
		sp_str ip = text(v, "ip");
		if ((sp_str_index(ip, ':') >= 0) == v6)
			return ip;
	}
	return p->ips.n == 0 && (sp_str_index(p->ip, ':') >= 0) == v6 ? p->ip : SP_STR("");
}

void svc_ports_read(sp_vlist list, svc_ports *ret)
{
	ret->n = 0;
	SP_VLIST_FOREACH(v, list)
	{
		if (ret->n == SVC_PORTS_MAX)
			return;
		ret->at[ret->n++] = (svc_port){sp_json_str(sp_json_last(v, SP_STR("name"))),
					       sp_json_str(sp_json_last(v, SP_STR("protocol"))),
					       sp_json_str(sp_json_last(v, SP_STR("appProtocol"))),
					       yyjson_get_sint(sp_json_last(v, SP_STR("port")))};
	}
}

void svc_index_slices(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *labels = sp_json_last(sp_json_last(object, SP_STR("metadata")), SP_STR("labels"));
	const sp_str parts[] = {o->ns, SP_STR("/"),
				sp_json_str(sp_json_last(labels, SP_STR(SVC_SLICE_SERVICE)))};
	if (sp_str_eq(sp_json_str(sp_json_last(labels, SP_STR(SVC_SLICE_MANAGED_BY))), sp_str_c(arg)))
		sp_index_emit_parts(keys, parts, SP_LEN(parts));
}
