/* SPDX-License-Identifier: Apache-2.0 */
#include "node/env.h"

#include "base/num.h"

#define VARS_MAX 65536u

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "the environment is too large");
}

/* ---- variables ---- */

static node_env_var *find(const node_env *e, sp_str name)
{
	for (size_t i = 0; i < e->n; i++) {
		if (sp_str_eq(e->at[i].name, name))
			return &e->at[i];
	}
	return NULL;
}

sp_str node_env_get(const node_env *e, sp_str name)
{
	const node_env_var *v = find(e, name);
	return v == NULL ? (sp_str){NULL, 0} : v->value;
}

/* A value that is defined is never {NULL, 0}. */
static sp_str defined(sp_str value)
{
	return value.ptr == NULL ? SP_STR("") : value;
}

sp_code node_env_set(node_env *e, sp_arena *a, sp_str name, sp_str value, sp_err *err)
{
	node_env_var *v = find(e, name);
	if (v != NULL) {
		v->value = defined(value);
		return SP_OK;
	}
	if (e->n == e->cap) {
		size_t cap = e->cap == 0 ? 32 : e->cap * 2;
		node_env_var *at =
			cap > VARS_MAX ? NULL
				       : sp_arena_try_grow(a, e->at, e->cap * sizeof *at, cap * sizeof *at);
		if (at == NULL)
			return no_room(err);
		e->at = at;
		e->cap = cap;
	}
	e->at[e->n++] = (node_env_var){name, defined(value)};
	return SP_OK;
}

/* ---- $(NAME) ---- */

static void add_missing(node_missing *m, sp_str name)
{
	size_t at = 0;
	while (at < m->n && sp_str_cmp(m->at[at], name) < 0)
		at++;
	if (m->n == NODE_MISSING_MAX || (at < m->n && sp_str_eq(m->at[at], name)))
		return;
	memmove(&m->at[at + 1], &m->at[at], (m->n++ - at) * sizeof m->at[0]);
	m->at[at] = name;
}

void node_expand(sp_buf *out, sp_str text, const node_env *vars, node_missing *missing)
{
	size_t from = 0;
	if (missing != NULL)
		missing->n = 0;
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.ptr[i] != '$')
			continue;
		(void)sp_buf_append(out, text.ptr + from, i - from);
		ptrdiff_t end =
			text.ptr[i + 1] == '(' ? sp_str_index(sp_str_sub(text, i + 2, text.len), ')') : -1;
		if (end >= 0) {
			sp_str name = sp_str_sub(text, i + 2, i + 2 + (size_t)end);
			sp_str value = node_env_get(vars, name);
			if (value.len == 0 && missing != NULL)
				add_missing(missing, name);
			(void)sp_buf_str(out, value.ptr == NULL ? sp_str_sub(text, i, i + 3 + (size_t)end)
								: value);
			i += 2 + (size_t)end;
		} else { /* $$ is one dollar; what is no reference stays */
			if (text.ptr[i + 1] != '$')
				(void)sp_buf_char(out, '$');
			(void)sp_buf_char(out, text.ptr[i + 1]);
			i++;
		}
		from = i + 1;
	}
	(void)sp_buf_append(out, text.ptr + from, text.len - from);
}

sp_str node_expand_arena(sp_arena *a, sp_str text, const node_env *vars)
{
	if (sp_str_index(text, '$') < 0)
		return defined(text);
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	node_expand(&out, text, vars, NULL);
	if (sp_buf_code(&out) != SP_OK)
		return (sp_str){NULL, 0};
	return out.len == 0 ? SP_STR("") : sp_arena_try_dup(a, sp_buf_view(&out));
}

/* ---- services ---- */

/* "my-svc" to "MY_SVC". */
static sp_str env_name(sp_arena *a, sp_str name)
{
	sp_str copy = sp_arena_try_dup(a, name);
	char *at = (char *)(uintptr_t)copy.ptr;
	for (size_t i = 0; i < copy.len; i++) {
		if (at[i] == '-')
			at[i] = '_';
		else if (at[i] >= 'a' && at[i] <= 'z')
			at[i] = (char)(at[i] - 'a' + 'A');
	}
	return copy;
}

static sp_code set_parts(node_env *e, sp_arena *a, sp_str name, sp_str suffix, sp_str value, sp_err *err)
{
	sp_str full = SP_CONCAT(a, name, suffix);
	return full.ptr == NULL || value.ptr == NULL ? no_room(err) : node_env_set(e, a, full, value, err);
}

static sp_code link_vars(node_env *e, sp_arena *a, sp_str name, sp_str ip, yyjson_val *port, bool is_first,
			 sp_err *err)
{
	long long number = yyjson_get_sint(sp_view_at(port, "port"));
	sp_str protocol = sp_view_str_at(port, "protocol"), lower, host = ip;
	if (protocol.len == 0)
		protocol = SP_STR("TCP");
	if (sp_str_index(ip, ':') >= 0)
		host = SP_CONCAT(a, SP_STR("["), ip, SP_STR("]"));
	lower = sp_str_eq(protocol, SP_STR("UDP"))    ? SP_STR("udp")
		: sp_str_eq(protocol, SP_STR("SCTP")) ? SP_STR("sctp")
						      : SP_STR("tcp");
	sp_str url = sp_arena_printf(a, SP_FMT "://" SP_FMT ":%lld", SP_ARG(lower), SP_ARG(host), number);
	sp_str text = sp_arena_printf(a, "%lld", number);
	sp_str prefix =
		sp_arena_printf(a, SP_FMT "_PORT_%lld_" SP_FMT, SP_ARG(name), number, SP_ARG(protocol));
	if (prefix.ptr == NULL)
		return no_room(err);
	if (is_first)
		SP_TRY(set_parts(e, a, name, SP_STR("_PORT"), url, err));
	SP_TRY(set_parts(e, a, prefix, SP_STR(""), url, err));
	SP_TRY(set_parts(e, a, prefix, SP_STR("_PROTO"), lower, err));
	SP_TRY(set_parts(e, a, prefix, SP_STR("_PORT"), text, err));
	return set_parts(e, a, prefix, SP_STR("_ADDR"), ip, err);
}

sp_code node_env_add_service(node_env *e, sp_arena *a, yyjson_val *service, sp_err *err)
{
	sp_str ip = sp_view_str_at(service, "spec.clusterIP"),
	       name = env_name(a, sp_view_str_at(service, "metadata.name"));
	yyjson_val *ports = sp_view_at(service, "spec.ports"), *port;
	size_t i, n;
	if (ip.len == 0 || sp_str_eq(ip, SP_STR("None")))
		return SP_OK;
	ip = sp_arena_try_dup(a, ip);
	SP_TRY(set_parts(e, a, name, SP_STR("_SERVICE_HOST"), ip, err));
	yyjson_arr_foreach(ports, i, n, port)
	{
		sp_str port_name = sp_view_str_at(port, "name");
		sp_str text =
			sp_arena_printf(a, "%lld", (long long)yyjson_get_sint(sp_view_at(port, "port")));
		if (i == 0)
			SP_TRY(set_parts(e, a, name, SP_STR("_SERVICE_PORT"), text, err));
		if (port_name.len != 0)
			SP_TRY(set_parts(e, a, SP_CONCAT(a, name, SP_STR("_SERVICE_PORT_")),
					 env_name(a, port_name), text, err));
	}
	yyjson_arr_foreach(ports, i, n, port)
	{
		SP_TRY(link_vars(e, a, name, ip, port, i == 0, err));
	}
	return SP_OK;
}

/* ---- one container ---- */

typedef struct make {
	const node_field_source *from;
	const node_container *c;
	const node_objects *objects;
	const node_env_files *files;
	const node_env *services;
	sp_arena *arena;
	node_env *out;
} make;

/* The object's tree, NULL when it is not there. */
static sp_code get_object(make *m, node_ref_kind kind, sp_str name, bool optional, yyjson_val **ret,
			  sp_err *err)
{
	sp_str json = m->objects->get(m->objects->arg, kind, m->from->pod->v.ns, name);
	*ret = NULL;
	if (json.ptr != NULL)
		return sp_json_parse(m->arena, json, ret, err);
	if (optional)
		return SP_OK;
	sp_str word = node_ref_word(kind);
	return sp_fail(err, SP_ENOTFOUND, SP_FMT " \"" SP_FMT "\" not found", SP_ARG(word), SP_ARG(name));
}

/* A value of a secret is base64. */
static sp_code value_of(make *m, node_ref_kind kind, yyjson_val *v, sp_str *ret, sp_err *err)
{
	sp_str text = sp_json_str(v);
	*ret = defined(text);
	if (kind != NODE_REF_SECRET || text.len == 0)
		return SP_OK;
	return node_base64_value(text, m->arena, ret, err);
}

static sp_code set(make *m, sp_str name, sp_str value, sp_err *err)
{
	return node_env_set(m->out, m->arena, name, value, err);
}

static sp_code env_from(make *m, yyjson_val *source, sp_err *err)
{
	static const struct {
		const char *member;
		node_ref_kind kind;
	} kinds[] = {{"configMapRef", NODE_REF_CONFIG_MAP}, {"secretRef", NODE_REF_SECRET}};
	sp_str prefix = sp_view_str_at(source, "prefix");
	for (size_t k = 0; k < SP_LEN(kinds); k++) {
		yyjson_val *ref = sp_view_at(source, kinds[k].member), *object, *key, *val;
		size_t i, n;
		if (ref == NULL)
			continue;
		SP_TRY(get_object(m, kinds[k].kind, sp_view_str_at(ref, "name"),
				  yyjson_get_bool(sp_view_at(ref, "optional")), &object, err));
		yyjson_val *data = sp_view_at(object, "data");
		if (data == NULL)
			continue;
		yyjson_obj_foreach(data, i, n, key, val)
		{
			sp_str name = sp_json_str(key), value;
			if (prefix.len != 0)
				name = SP_CONCAT(m->arena, prefix, name);
			if (name.ptr == NULL)
				return no_room(err);
			SP_TRY(value_of(m, kinds[k].kind, val, &value, err));
			SP_TRY(set(m, name, value, err));
		}
	}
	return SP_OK;
}

/* configMapKeyRef, secretKeyRef; *ret_absent: optional and not there. */
static sp_code key_ref(make *m, node_ref_kind kind, yyjson_val *ref, sp_str *ret, bool *ret_absent,
		       sp_err *err)
{
	sp_str name = sp_view_str_at(ref, "name"), key = sp_view_str_at(ref, "key");
	bool optional = yyjson_get_bool(sp_view_at(ref, "optional"));
	yyjson_val *object;
	SP_TRY(get_object(m, kind, name, optional, &object, err));
	yyjson_val *v = sp_json_last(sp_view_at(object, "data"), key);
	*ret_absent = v == NULL;
	if (v != NULL)
		return value_of(m, kind, v, ret, err);
	if (optional)
		return SP_OK;
	const node_pod_view *p = &m->from->pod->v;
	return sp_fail(err, SP_ENOTFOUND, "couldn't find key " SP_FMT " in %s " SP_FMT "/" SP_FMT,
		       SP_ARG(key), kind == NODE_REF_SECRET ? "Secret" : "ConfigMap", SP_ARG(p->ns),
		       SP_ARG(name));
}

/* fileKeyRef. What is wrong with a file is for nobody but its owner; so is kubelet's message. A value that is
 * empty is none. */
static sp_code file_ref(make *m, yyjson_val *ref, sp_str *ret, bool *ret_absent, sp_err *err)
{
	sp_str volume = sp_view_str_at(ref, "volumeName"), path = sp_view_str_at(ref, "path"),
	       key = sp_view_str_at(ref, "key");
	const node_env_file *f = node_env_files_find(m->files, volume, path);
	if (f == NULL || f->dir.len == 0)
		return sp_fail(err, SP_ENOTFOUND,
			       "cannot find the volume \"" SP_FMT "\" referenced by FileKeyRef",
			       SP_ARG(volume));
	if (f->code != SP_OK || node_env_file_value(f->text, key, m->arena, ret, NULL) != SP_OK)
		return sp_fail(err, SP_EINVAL, "couldn't parse env file");
	*ret_absent = ret->len == 0;
	if (ret->len != 0 || yyjson_get_bool(sp_view_at(ref, "optional")))
		return SP_OK;
	return sp_fail(err, SP_ENOTFOUND,
		       "environment variable key \"" SP_FMT "\" not found in file \"" SP_FMT "/" SP_FMT "\"",
		       SP_ARG(key), SP_ARG(f->dir), SP_ARG(path));
}

static sp_code value_from(make *m, yyjson_val *from, sp_str *ret, bool *ret_absent, sp_err *err)
{
	yyjson_val *ref;
	*ret = SP_STR("");
	*ret_absent = false;
	if ((ref = sp_view_at(from, "fieldRef")) != NULL)
		return node_field(m->from, sp_view_str_at(ref, "fieldPath"), m->arena, ret, err);
	if ((ref = sp_view_at(from, "resourceFieldRef")) != NULL)
		return node_resource_field(m->from, m->c, ref, m->arena, ret, err);
	if ((ref = sp_view_at(from, "configMapKeyRef")) != NULL)
		return key_ref(m, NODE_REF_CONFIG_MAP, ref, ret, ret_absent, err);
	if ((ref = sp_view_at(from, "secretKeyRef")) != NULL)
		return key_ref(m, NODE_REF_SECRET, ref, ret, ret_absent, err);
	if ((ref = sp_view_at(from, "fileKeyRef")) != NULL)
		return file_ref(m, ref, ret, ret_absent, err);
	return SP_OK;
}

/* Variables of the container go before those of services. */
static sp_str expanded(make *m, sp_str text, sp_err *err, sp_code *code)
{
	node_env all = {0};
	*code = SP_OK;
	if (sp_str_index(text, '$') < 0)
		return defined(text);
	for (size_t i = 0; m->services != NULL && i < m->services->n && *code == SP_OK; i++)
		*code = node_env_set(&all, m->arena, m->services->at[i].name, m->services->at[i].value, err);
	for (size_t i = 0; i < m->out->n && *code == SP_OK; i++)
		*code = node_env_set(&all, m->arena, m->out->at[i].name, m->out->at[i].value, err);
	sp_str value = *code == SP_OK ? node_expand_arena(m->arena, text, &all) : (sp_str){NULL, 0};
	if (*code == SP_OK && value.ptr == NULL)
		*code = no_room(err);
	return value;
}

static sp_code env_var(make *m, yyjson_val *var, sp_err *err)
{
	sp_str name = sp_view_str_at(var, "name"), value = sp_view_str_at(var, "value");
	yyjson_val *from = sp_view_at(var, "valueFrom");
	bool absent = false;
	sp_code code = SP_OK;
	if (value.len != 0)
		value = expanded(m, value, err, &code);
	else if (from != NULL)
		code = value_from(m, from, &value, &absent, err);
	if (code != SP_OK || absent)
		return code;
	return set(m, name, value, err);
}

sp_code node_env_make(const node_field_source *from, const node_container *c, const node_objects *objects,
		      const node_env_files *files, const node_env *services, sp_arena *a, node_env *ret,
		      sp_err *err)
{
	make m = {.from = from,
		  .c = c,
		  .objects = objects,
		  .files = files,
		  .services = services,
		  .arena = a,
		  .out = ret};
	*ret = (node_env){0};
	SP_VLIST_FOREACH(source, c->v.env_from)
	SP_TRY(env_from(&m, source, err));
	SP_VLIST_FOREACH(var, c->v.env)
	SP_TRY(env_var(&m, var, err));
	ret->n_own = ret->n;
	for (size_t i = 0; services != NULL && i < services->n; i++) {
		if (find(ret, services->at[i].name) == NULL)
			SP_TRY(node_env_set(ret, a, services->at[i].name, services->at[i].value, err));
	}
	return SP_OK;
}
