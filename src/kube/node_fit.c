/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/node_fit.h"

#include "base/num.h"

SP_VIEW(node_view_desc, sp_fit_node, "v1/Node", SP_V(sp_fit_node, name, "metadata.name"),
	SP_V(sp_fit_node, labels, "metadata.labels"), SP_V(sp_fit_node, taints, "spec.taints"));

const sp_view_desc *const sp_fit_node_view = &node_view_desc;

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

bool sp_fit_tolerates(yyjson_val *toleration, yyjson_val *taint)
{
	sp_str effect = text(toleration, "effect"), key = text(toleration, "key");
	bool exists = sp_str_eq(text(toleration, "operator"), SP_STR("Exists"));
	if (effect.len > 0 && !sp_str_eq(effect, text(taint, "effect")))
		return false;
	if (key.len > 0 && !sp_str_eq(key, text(taint, "key")))
		return false;
	return exists || (key.len > 0 && sp_str_eq(text(toleration, "value"), text(taint, "value")));
}

/* ---- affinity ---- */

static bool is_among(yyjson_val *values, sp_str s)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(values, i, n, v)
	{
		if (sp_str_eq(sp_json_str(v), s))
			return true;
	}
	return false;
}

/* value OP values[0], as numbers. */
static bool compares(sp_str value, yyjson_val *values, bool greater)
{
	int64_t a, b;
	sp_str other = sp_json_str(yyjson_arr_get_first(values));
	if (yyjson_arr_size(values) != 1 || sp_parse_i64(value, INT64_MIN, INT64_MAX, &a, NULL) != SP_OK ||
	    sp_parse_i64(other, INT64_MIN, INT64_MAX, &b, NULL) != SP_OK)
		return false;
	return greater ? a > b : a < b;
}

/* One requirement; `value.ptr` NULL: the node has no such label. */
static bool holds(yyjson_val *req, sp_str value)
{
	sp_str op = text(req, "operator");
	yyjson_val *values = sp_json_last(req, SP_STR("values"));
	bool has = value.ptr != NULL;
	if (sp_str_eq(op, SP_STR("In")))
		return has && is_among(values, value);
	if (sp_str_eq(op, SP_STR("NotIn")))
		return !has || !is_among(values, value);
	if (sp_str_eq(op, SP_STR("Exists")))
		return has;
	if (sp_str_eq(op, SP_STR("DoesNotExist")))
		return !has;
	bool greater = sp_str_eq(op, SP_STR("Gt"));
	return has && (greater || sp_str_eq(op, SP_STR("Lt"))) && compares(value, values, greater);
}

static bool term_holds(yyjson_val *term, const sp_fit_node *node)
{
	yyjson_val *labels = sp_json_last(term, SP_STR("matchExpressions")), *v;
	yyjson_val *fields = sp_json_last(term, SP_STR("matchFields"));
	size_t i, n;
	if (yyjson_arr_size(labels) + yyjson_arr_size(fields) == 0)
		return false; /* an empty term selects nothing */
	yyjson_arr_foreach(labels, i, n, v)
	{
		if (!holds(v, sp_vmap_str((sp_vmap){node->labels}, text(v, "key"))))
			return false;
	}
	yyjson_arr_foreach(fields, i, n, v)
	{
		if (!sp_str_eq(text(v, "key"), SP_STR("metadata.name")) || !holds(v, node->name))
			return false;
	}
	return true;
}

bool sp_fit_affinity(yyjson_val *pod_spec, const sp_fit_node *node)
{
	yyjson_val *key, *value, *term;
	size_t i, n;
	yyjson_obj_foreach(sp_json_last(pod_spec, SP_STR("nodeSelector")), i, n, key, value)
	{
		sp_str have = sp_vmap_str((sp_vmap){node->labels}, sp_json_str(key));
		if (have.ptr == NULL || !sp_str_eq(have, sp_json_str(value)))
			return false;
	}
	yyjson_val *affinity =
		sp_json_last(sp_json_last(pod_spec, SP_STR("affinity")), SP_STR("nodeAffinity"));
	yyjson_val *required =
		sp_json_last(affinity, SP_STR("requiredDuringSchedulingIgnoredDuringExecution"));
	if (!yyjson_is_obj(required))
		return true;
	yyjson_arr_foreach(sp_json_last(required, SP_STR("nodeSelectorTerms")), i, n, term)
	{
		if (term_holds(term, node))
			return true;
	}
	return false;
}
