/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/spec.h"

#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/spec_int.h"

#define SPEC_ARENA_BYTES ((size_t)4 << 20)

/* -- small lists ---------------------------------------------------------------------------------------- */

static sp_code read_tolerations(sched_spec *s, yyjson_val *list)
{
	sched_toleration *t = sp_try_new(&s->arena, sched_toleration, yyjson_arr_size(list) + 1);
	if (t == NULL)
		return SP_ENOMEM;
	s->tolerations = t;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; t++, s->n_tolerations++) {
		SP_TRY(sched_text(s, v, "key", &t->key));
		SP_TRY(sched_text(s, v, "value", &t->value));
		SP_TRY(sched_text(s, v, "effect", &t->effect));
		sp_str op = sp_json_str(yyjson_obj_get(v, "operator"));
		t->exists = sp_str_eq(op, SP_STR("Exists"));
		/* An operator that is not known tolerates nothing: no taint has an effect of this name. */
		if (!t->exists && op.len > 0 && !sp_str_eq(op, SP_STR("Equal")))
			t->effect = SP_STR("\x01");
	}
	return SP_OK;
}

bool sched_tolerates(const sched_toleration *t, const sched_taint *taint)
{
	return (t->effect.len == 0 || sp_str_eq(t->effect, taint->effect)) &&
	       (t->key.len == 0 || sp_str_eq(t->key, taint->key)) &&
	       (t->exists || sp_str_eq(t->value, taint->value));
}

bool sched_tolerated(const sched_toleration *list, size_t n, const sched_taint *taint)
{
	for (size_t i = 0; i < n; i++) {
		if (sched_tolerates(&list[i], taint))
			return true;
	}
	return false;
}

static bool is_sidecar(yyjson_val *c)
{
	return sp_str_eq(sp_json_str(yyjson_obj_get(c, "restartPolicy")), SP_STR("Always"));
}

static size_t count_ports(yyjson_val *containers, bool sidecars)
{
	size_t n = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(containers);
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!sidecars || is_sidecar(c))
			n += yyjson_arr_size(yyjson_obj_get(c, "ports"));
	}
	return n;
}

static sp_code read_ports(sched_spec *s, yyjson_val *containers, bool sidecars, sched_port *out)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(containers);
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		yyjson_arr_iter ports = yyjson_arr_iter_with(yyjson_obj_get(c, "ports"));
		for (yyjson_val *v;
		     (!sidecars || is_sidecar(c)) && (v = yyjson_arr_iter_next(&ports)) != NULL;) {
			sched_port *p = &out[s->n_ports];
			p->port = (int32_t)yyjson_get_sint(yyjson_obj_get(v, "hostPort"));
			if (p->port <= 0)
				continue;
			SP_TRY(sched_text(s, v, "hostIP", &p->ip));
			SP_TRY(sched_text(s, v, "protocol", &p->protocol));
			if (p->ip.len == 0)
				p->ip = SP_STR("0.0.0.0");
			if (p->protocol.len == 0)
				p->protocol = SP_STR("TCP");
			s->n_ports++;
		}
	}
	return SP_OK;
}

static sp_code read_all_ports(sched_spec *s, yyjson_val *spec)
{
	yyjson_val *main = yyjson_obj_get(spec, "containers"), *init = yyjson_obj_get(spec, "initContainers");
	sched_port *p =
		sp_try_new(&s->arena, sched_port, count_ports(main, false) + count_ports(init, true) + 1);
	if (p == NULL)
		return SP_ENOMEM;
	s->ports = p;
	SP_TRY(read_ports(s, init, true, p));
	return read_ports(s, main, false, p);
}

/* -- images --------------------------------------------------------------------------------------------- */

/* With the tag that runtimes add when there is none. U: imagelocality (normalizedImageName). */
static sp_code read_image(sched_spec *s, sp_str name, sp_str *list)
{
	sp_str tag = sp_str_rindex(name, ':') <= sp_str_rindex(name, '/') ? SP_STR(":latest") : SP_STR("");
	list[s->n_images] = SP_CONCAT(&s->arena, name, tag);
	return list[s->n_images++].ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code read_images(sched_spec *s, yyjson_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers"};
	yyjson_val *volumes = yyjson_obj_get(spec, "volumes");
	size_t n = yyjson_arr_size(volumes);
	for (size_t i = 0; i < SP_LEN(lists); i++)
		n += yyjson_arr_size(yyjson_obj_get(spec, lists[i]));
	sp_str *list = sp_try_new(&s->arena, sp_str, n + 1);
	if (list == NULL)
		return SP_ENOMEM;
	s->images = list;
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(spec, lists[i]));
		for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL; s->n_containers++)
			SP_TRY(read_image(s, sp_json_str(yyjson_obj_get(c, "image")), list));
	}
	yyjson_arr_iter it = yyjson_arr_iter_with(volumes);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		yyjson_val *image = yyjson_obj_get(v, "image");
		if (image != NULL)
			SP_TRY(read_image(s, sp_json_str(yyjson_obj_get(image, "reference")), list));
	}
	return SP_OK;
}

/* -- the whole ------------------------------------------------------------------------------------------ */

static sp_code read_gates(sched_spec *s, yyjson_val *list)
{
	sp_str *gates = sp_try_new(&s->arena, sp_str, yyjson_arr_size(list) + 1);
	if (gates == NULL)
		return SP_ENOMEM;
	s->gates = gates;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; s->n_gates++)
		SP_TRY(sched_text(s, v, "name", &gates[s->n_gates]));
	return SP_OK;
}

static sp_code read_owner(sched_spec *s, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!yyjson_get_bool(yyjson_obj_get(v, "controller")))
			continue;
		SP_TRY(sched_text(s, v, "apiVersion", &s->owner_api));
		SP_TRY(sched_text(s, v, "kind", &s->owner_kind));
		return sched_text(s, v, "name", &s->owner_name);
	}
	return SP_OK;
}

/* U: component-helpers nodedeclaredfeatures/features. */
static void read_features(sched_spec *s, yyjson_val *spec)
{
	static const char *const lists[] = {"initContainers", "containers"};
	yyjson_val *users = yyjson_obj_get(spec, "hostUsers");
	s->needs_user_namespaces_host_network = yyjson_get_bool(yyjson_obj_get(spec, "hostNetwork")) &&
						yyjson_is_bool(users) && !yyjson_get_bool(users);
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(spec, lists[i]));
		for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
			yyjson_arr_iter rules = yyjson_arr_iter_with(yyjson_obj_get(c, "restartPolicyRules"));
			for (yyjson_val *r; (r = yyjson_arr_iter_next(&rules)) != NULL;)
				s->needs_restart_all |= sp_str_eq(sp_json_str(yyjson_obj_get(r, "action")),
								  SP_STR("RestartAllContainers"));
		}
	}
}

static sp_code read_spec(sched_state *st, sched_spec *s, yyjson_val *pod, sp_err *err)
{
	yyjson_val *meta = yyjson_obj_get(pod, "metadata"), *spec = yyjson_obj_get(pod, "spec");
	sp_str ns = sp_json_str(yyjson_obj_get(meta, "namespace"));
	SP_TRY(sched_class_get(st, ns, yyjson_obj_get(meta, "labels"), &s->pc, err));
	s->priority = (int32_t)yyjson_get_sint(yyjson_obj_get(spec, "priority"));
	s->preempts_never = sp_str_eq(sp_json_str(yyjson_obj_get(spec, "preemptionPolicy")), SP_STR("Never"));
	read_features(s, spec);
	s->resource_claims = yyjson_arr_size(yyjson_obj_get(spec, "resourceClaims")) > 0;
	SP_TRY(sched_text(s, spec, "schedulerName", &s->scheduler_name));
	SP_TRY(sched_requests_read(st, &s->arena, pod, false, &s->requests, err));
	SP_TRY(read_tolerations(s, yyjson_obj_get(spec, "tolerations")));
	SP_TRY(read_all_ports(s, spec));
	SP_TRY(read_images(s, spec));
	SP_TRY(read_gates(s, yyjson_obj_get(spec, "schedulingGates")));
	SP_TRY(read_owner(s, yyjson_obj_get(meta, "ownerReferences")));
	SP_TRY(sched_spec_read_nodes(s, spec, err));
	SP_TRY(sched_spec_read_terms(st, s, spec, err));
	SP_TRY(sched_spec_read_spread(s, spec, err));
	return sched_spec_read_volumes(s, spec);
}

/* What a spec is found by: the members that read_spec looks at, as text. */
static void spec_key(sp_buf *b, yyjson_val *pod)
{
	static const char *const of_meta[] = {"namespace", "labels"};
	static const char *const of_spec[] = {"priority",        "preemptionPolicy",
					      "schedulerName",   "nodeSelector",
					      "affinity",        "tolerations",
					      "overhead",        "resources",
					      "schedulingGates", "topologySpreadConstraints",
					      "volumes",         "hostUsers",
					      "resourceClaims",  "hostNetwork"};
	static const char *const lists[] = {"initContainers", "containers"};
	static const char *const of_container[] = {"image", "ports", "resources", "restartPolicy",
						   "restartPolicyRules"};
	yyjson_val *meta = yyjson_obj_get(pod, "metadata"), *spec = yyjson_obj_get(pod, "spec");
	sp_buf_clear(b);
	for (size_t i = 0; i < SP_LEN(of_meta); i++)
		sched_key_member(b, meta, of_meta[i]);
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(meta, "ownerReferences"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!yyjson_get_bool(yyjson_obj_get(v, "controller")))
			continue;
		sched_key_member(b, v, "apiVersion");
		sched_key_member(b, v, "kind");
		sched_key_member(b, v, "name");
	}
	(void)sp_buf_char(b, '\x1d');
	for (size_t i = 0; i < SP_LEN(of_spec); i++)
		sched_key_member(b, spec, of_spec[i]);
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		it = yyjson_arr_iter_with(yyjson_obj_get(spec, lists[i]));
		(void)sp_buf_char(b, '\x1d');
		for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
			for (size_t k = 0; k < SP_LEN(of_container); k++)
				sched_key_member(b, c, of_container[k]);
		}
	}
}

static void free_terms(sched_state *st, sched_term *terms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sched_carried_unref(st, terms[i].carried);
}

static void spec_free(sched_state *st, sched_spec *s)
{
	if (s->key.ptr != NULL)
		(void)sp_map_remove(&st->specs, s->key);
	sched_spec_disarm(st, s);
	free_terms(st, s->affinity, s->n_affinity);
	free_terms(st, s->anti, s->n_anti);
	free_terms(st, s->soft, s->n_soft);
	sched_class_unref(st, s->pc);
	sp_arena_done(&s->arena);
	sp_free(s);
}

void sched_spec_unref(sched_state *st, sched_spec *s)
{
	if (s != NULL && --s->refs == 0)
		spec_free(st, s);
}

static sp_code spec_make(sched_state *st, yyjson_val *pod, sched_spec *s, sp_err *err)
{
	sp_str key = sp_arena_try_dup(&s->arena, sp_buf_view(&st->key));
	if (key.ptr == NULL)
		return SP_ENOMEM;
	SP_TRY(read_spec(st, s, pod, err));
	SP_TRY(sp_map_put(&st->specs, key, s, NULL));
	s->key = key;
	s->refs = 1;
	return SP_OK;
}

sp_code sched_spec_get(sched_state *st, yyjson_val *pod, sched_spec **ret, sp_err *err)
{
	spec_key(&st->key, pod);
	if (sp_buf_code(&st->key) != SP_OK)
		return sp_fail(err, sp_buf_code(&st->key), "no room for a pod's spec");
	sched_spec *s = sp_map_get(&st->specs, sp_buf_view(&st->key));
	if (s != NULL) {
		*ret = sched_spec_ref(s);
		return SP_OK;
	}
	s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod");
	sp_arena_init(&s->arena, SPEC_ARENA_BYTES);
	sp_err why = {0};
	sp_code code = spec_make(st, pod, s, &why);
	if (code != SP_OK) {
		spec_free(st, s);
		return why.code != SP_OK ? sp_fail(err, code, "%s", why.msg)
					 : sp_fail(err, code, "no memory for a pod's spec");
	}
	*ret = s;
	return SP_OK;
}
