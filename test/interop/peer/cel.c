/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our CEL engine for test/interop/cel: one JSON object per line in, one out.
 *
 *   {"expr": …, "env": "k8s" | "mutation" | "spec", "vars": [[name, type, value]], "json": {name: …}}
 *
 * Types are written as messages print them, values as CEL literals; members of `json` are variables of type
 * dyn. The answer: {"issues", "type", "min", "max", "cost", "error", "value"}, the value as cel-go's
 * types.Format shows it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "kube/cel/opaque.h"
#include "kube/kinds/zone.h"
#include "lib/cel_show.h"

#define VARS_MAX 32

/* ---- types from text ---- */

static const sp_cel_type *simple(sp_str name)
{
	static const struct {
		const char *name;
		const sp_cel_type *type;
	} types[] = {
		{"dyn", &sp_cel_dyn},
		{"bool", &sp_cel_bool},
		{"int", &sp_cel_int},
		{"uint", &sp_cel_uint},
		{"double", &sp_cel_double},
		{"string", &sp_cel_string},
		{"bytes", &sp_cel_bytes},
		{"null_type", &sp_cel_null},
		{"timestamp", &sp_cel_timestamp},
		{"google.protobuf.Timestamp", &sp_cel_timestamp},
		{"duration", &sp_cel_duration},
		{"google.protobuf.Duration", &sp_cel_duration},
		{"type", &cel_t_type},
	};
	for (size_t i = 0; i < SP_LEN(types); i++) {
		if (sp_str_eq(name, sp_str_c(types[i].name)))
			return types[i].type;
	}
	return NULL;
}

static const sp_cel_type *parse_type(sp_arena *a, sp_str *in)
{
	size_t n = 0;
	while (n < in->len && strchr("(), ", in->ptr[n]) == NULL)
		n++;
	sp_str name = sp_str_sub(*in, 0, n);
	*in = sp_str_sub(*in, n, in->len);
	if (!sp_str_take(in, SP_STR("(")))
		return simple(name);
	const sp_cel_type *p = parse_type(a, in), *q = NULL;
	if (sp_str_take(in, SP_STR(", ")))
		q = parse_type(a, in);
	(void)sp_str_take(in, SP_STR(")"));
	if (p == NULL)
		return NULL;
	if (sp_str_eq(name, SP_STR("list")))
		return sp_cel_list_of(a, p);
	if (sp_str_eq(name, SP_STR("optional_type")))
		return sp_cel_optional_of(a, p);
	if (sp_str_eq(name, SP_STR("map")) && q != NULL)
		return sp_cel_map_of(a, p, q);
	return NULL;
}

/* ---- time zones of this machine ---- */

typedef struct zones {
	sp_arena *arena;
	sp_zone zone;
} zones;

static const sp_zone *find_zone(void *arg, sp_str name)
{
	static char bytes[1 << 16];
	zones *z = arg;
	char path[256];
	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", (int)name.len, name.ptr);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return NULL;
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	return sp_zone_parse(z->arena, (sp_str){bytes, n}, &z->zone, NULL) == SP_OK ? &z->zone : NULL;
}

/* ---- requests ---- */

typedef struct request {
	sp_arena arena;
	const sp_cel_env *env;
	sp_cel_var vars[VARS_MAX];
	sp_cel_binding bindings[VARS_MAX];
	size_t n;
	const char *bad;
} request;

static void add_typed(request *r, yyjson_val *row)
{
	sp_str type = sp_json_str(yyjson_arr_get(row, 1)), literal = sp_json_str(yyjson_arr_get(row, 2));
	const sp_cel_program *p = NULL;
	sp_cel_var *v = &r->vars[r->n];
	v->name = sp_json_str(yyjson_arr_get(row, 0));
	v->type = parse_type(&r->arena, &type);
	if (v->type == NULL) {
		r->bad = "unsupported type";
		return;
	}
	sp_cel_run run = {.arena = &r->arena};
	if (literal.len > 0 &&
	    (sp_cel_compile(&r->arena, r->env, NULL, 0, literal, &p, NULL, NULL) != SP_OK ||
	     sp_cel_eval(p, &run, &r->bindings[r->n].value) != SP_OK))
		r->bad = "unsupported value";
	r->n++;
}

static void read_vars(request *r, yyjson_val *in)
{
	size_t i, max;
	yyjson_val *row, *key, *value;
	yyjson_arr_foreach(yyjson_obj_get(in, "vars"), i, max, row)
	{
		if (r->n < VARS_MAX)
			add_typed(r, row);
	}
	yyjson_obj_foreach(yyjson_obj_get(in, "json"), i, max, key, value)
	{
		if (r->n == VARS_MAX)
			continue;
		r->vars[r->n] = (sp_cel_var){.name = sp_json_str(key), .type = &sp_cel_dyn};
		r->bindings[r->n++].value = sp_cel_of_json(value, NULL, false);
	}
}

/* "schema": self and oldSelf are read through it. */
static void read_schema(request *r, yyjson_val *in)
{
	yyjson_val *schema = yyjson_obj_get(in, "schema");
	const sp_schema *made = NULL;
	const sp_cel_type *type = NULL;
	bool root = yyjson_get_bool(yyjson_obj_get(in, "root"));
	static const char *const names[] = {"self", "oldSelf"};
	if (schema == NULL)
		return;
	if (!cel_schema_type(&r->arena, schema, root, &made, &type)) {
		r->bad = "schema";
		return;
	}
	for (size_t i = 0; i < SP_LEN(names); i++) {
		r->vars[r->n] = (sp_cel_var){.name = sp_str_c(names[i]), .type = type, .schema = made};
		r->bindings[r->n++].value = sp_cel_of_json(yyjson_obj_get(in, names[i]), made, root);
	}
}

static void member_u64(sp_jout *j, const char *name, uint64_t v)
{
	char text[24];
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	sp_jout_member_raw(j, sp_str_c(name), sp_str_c(text));
}

static void evaluate(request *r, const sp_cel_program *p, sp_jout *j)
{
	sp_arena arena;
	sp_arena_init(&arena, (size_t)64 << 20);
	zones local = {.arena = &arena};
	sp_cel_zones zone_seam = {.find = find_zone, .arg = &local};
	sp_cel_run run = {.arena = &arena,
			  .bindings = r->bindings,
			  .cost_limit = SP_CEL_PER_CALL_LIMIT,
			  .zones = &zone_seam};
	sp_cel_val v;
	sp_cel_cost cost = {0, 0};
	sp_jout_member_str(j, SP_STR("type"), sp_cel_type_text(&r->arena, sp_cel_result_type(p)));
	if (sp_cel_estimate(&r->arena, p, &cost) == SP_OK) {
		member_u64(j, "min", cost.min);
		member_u64(j, "max", cost.max);
	}
	sp_code code = sp_cel_eval(p, &run, &v);
	member_u64(j, "cost", run.cost);
	if (code != SP_OK) {
		sp_jout_member_str(j, SP_STR("error"), run.error);
	} else {
		cel_ctx ctx = {.run = &run, .arena = &arena};
		sp_buf shown;
		sp_buf_init(&shown, 1 << 26);
		cel_show_literal(&ctx, &shown, v);
		sp_jout_member_str(j, SP_STR("value"), sp_buf_view(&shown));
		sp_buf_done(&shown);
	}
	sp_arena_done(&arena);
}

static void answer(const sp_cel_env *const *envs, sp_str line, sp_buf *out)
{
	request r = {.n = 0};
	sp_arena_init(&r.arena, (size_t)64 << 20);
	sp_jout j = sp_jout_to(out);
	yyjson_val *in = NULL;
	sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
	const sp_cel_program *p = NULL;
	sp_jout_open(&j, '{');
	if (sp_json_parse(&r.arena, line, &in, NULL) != SP_OK)
		r.bad = "no JSON";
	sp_str env = sp_json_str(yyjson_obj_get(in, "env"));
	r.env = envs[sp_str_eq(env, SP_STR("spec")) ? 1 : sp_str_eq(env, SP_STR("mutation")) ? 2 : 0];
	read_vars(&r, in);
	read_schema(&r, in);
	sp_code code = SP_EINTERNAL;
	if (r.bad == NULL)
		code = sp_cel_compile(&r.arena, r.env, r.vars, r.n, sp_json_str(yyjson_obj_get(in, "expr")),
				      &p, &issues, NULL);
	if (r.bad != NULL) {
		sp_jout_member_str(&j, SP_STR("unsupported"), sp_str_c(r.bad));
	} else if (code == SP_EINVAL) {
		sp_str text = issues.instantiation ? SP_CONCAT(&r.arena, SP_STR("INST "), issues.text)
						   : issues.text;
		sp_jout_member_str(&j, SP_STR("issues"), text);
	} else if (code != SP_OK) {
		sp_jout_member_str(&j, SP_STR("issues"), SP_STR("too large"));
	} else {
		evaluate(&r, p, &j);
	}
	sp_jout_close(&j, '}');
	sp_arena_done(&r.arena);
}

int main(void)
{
	static char line[1 << 22];
	sp_arena arena;
	const sp_cel_env *envs[3];
	uint32_t spec = (1u << 11) - 1;
	spec &= ~(uint32_t)(SP_CEL_LIB_K8S | SP_CEL_LIB_JSONPATCH);
	sp_arena_init(&arena, 1 << 20);
	if (sp_cel_env_new(&arena, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &envs[0]) != SP_OK ||
	    sp_cel_env_new(&arena, spec, 0, &envs[1]) != SP_OK ||
	    sp_cel_env_new(&arena, SP_CEL_KUBERNETES_MUTATION, SP_CEL_KUBERNETES_RULES, &envs[2]) != SP_OK)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		sp_buf out;
		sp_buf_init(&out, (size_t)64 << 20);
		answer(envs, (sp_str){line, strcspn(line, "\n")}, &out);
		(void)printf("%.*s\n", (int)out.len, out.ptr);
		(void)fflush(stdout);
		sp_buf_done(&out);
	}
	sp_arena_done(&arena);
	return 0;
}
