/* SPDX-License-Identifier: Apache-2.0 */
/* ResourceSlice of resource.k8s.io/v1. */
#include "kube/kinds/device.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/volume_sources.h"
#include "kube/meta.h"

#define DEVICES_MAX 128
#define DEVICES_ADVANCED_MAX 64
#define COUNTER_SETS_MAX 8
#define COUNTERS_MAX 32
#define CONSUMPTIONS_MAX 2
#define ATTRIBUTES_MAX 32
#define TEXT_BYTES_MAX 64
#define TAINTS_MAX 16
#define OPTIONS_MAX 10

/* When a taint began, if the driver does not say. */
static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	char text[SP_TIME_TEXT_BYTES];
	sp_str now = {text, sp_time_print(text, c->now, 0)};
	SP_KV_EACH (device, i, sp_kv_list(sp_kv_get(obj, "spec"), "devices")) {
		SP_KV_EACH (taint, k, sp_kv_list(device, "taints")) {
			if (!sp_kv_has(taint, "timeAdded"))
				SP_KIND_NEED(c, sp_kv_set_str(c->doc, taint, "timeAdded", now));
		}
	}
}

/* -- attributes and capacities -------------------------------------------------------------------------- */

static size_t digits(sp_str s)
{
	size_t n = 0;
	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n;
}

static bool is_number(sp_str s)
{
	return s.len > 0 && digits(s) == s.len && (s.len == 1 || s.ptr[0] != '0');
}

/* Dotted identifiers; a number among those of a pre-release has no leading zero. */
static bool identifiers(sp_str s, bool numbers_strict)
{
	sp_str part;
	for (bool more = true; more;) {
		more = sp_str_cut(&s, '.', &part);
		if (!more)
			part = s;
		bool ok = part.len > 0;
		for (size_t i = 0; i < part.len; i++) {
			char ch = part.ptr[i];
			ok = ok && ((ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') ||
				    ch == '-');
		}
		if (!ok || (numbers_strict && digits(part) == part.len && !is_number(part)))
			return false;
	}
	return true;
}

/* semver.org 2.0.0 */
static bool is_version(sp_str s)
{
	ptrdiff_t plus = sp_str_index(s, '+'), dash;
	sp_str core = plus >= 0 ? sp_str_sub(s, 0, (size_t)plus) : s, major, minor;
	if (plus >= 0 && !identifiers(sp_str_sub(s, (size_t)plus + 1, s.len), false))
		return false;
	if ((dash = sp_str_index(core, '-')) >= 0) {
		if (!identifiers(sp_str_sub(core, (size_t)dash + 1, core.len), true))
			return false;
		core = sp_str_sub(core, 0, (size_t)dash);
	}
	return sp_str_cut(&core, '.', &major) && sp_str_cut(&core, '.', &minor) && is_number(major) &&
	       is_number(minor) && is_number(core);
}

static void attribute(sp_violations *v, yyjson_mut_val *a, const sp_path *path)
{
	static const char *const values[] = {"bool", "int", "string", "version"};
	sp_str text = sp_kv_str(a, "string"), version = sp_kv_str(a, "version");
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(values); i++)
		n += sp_kv_has(a, values[i]) ? 1 : 0;
	if (text.len > TEXT_BYTES_MAX)
		sp_v_too_long(v, SP_AT(path, "string"), TEXT_BYTES_MAX);
	if (sp_kv_has(a, "version") && !is_version(version))
		sp_v_invalid(v, SP_AT(path, "version"), version,
			     "must be a string compatible with semver.org spec 2.0.0");
	if (version.len > TEXT_BYTES_MAX)
		sp_v_too_long(v, SP_AT(path, "version"), TEXT_BYTES_MAX);
	if (n == 0)
		sp_v_invalid(v, path, "", "exactly one value must be specified");
	else if (n > 1)
		sp_v_invalid(v, path, a, "exactly one value must be specified");
}

static int compare(yyjson_mut_val *a, yyjson_mut_val *b)
{
	sp_qty x = sp_kv_qty(a), y = sp_kv_qty(b);
	return sp_qty_cmp(&x, &y);
}

static void valid_values(sp_violations *v, yyjson_mut_val *policy, yyjson_mut_val *most, const sp_path *path)
{
	yyjson_mut_val *list = sp_kv_list(policy, "validValues"), *chosen = sp_kv_get(policy, "default");
	yyjson_mut_val *before = NULL;
	sp_str limit = sp_jmut_str(most);
	bool found = false;
	SP_KV_EACH (value, i, list) {
		if (before != NULL && compare(before, value) > 0)
			sp_v_invalid(v, SP_AT_I(path, i), sp_jmut_str(value),
				     "values must be sorted in ascending order");
		before = value;
	}
	if (!sp_device_list_fits(v, path, list, OPTIONS_MAX))
		return;
	SP_KV_EACH (value, i, list) {
		if (compare(value, most) > 0)
			sp_v_invalid(v, SP_AT_I(path, i), sp_jmut_str(value),
				     "option is larger than capacity value: " SP_FMT, SP_ARG(limit));
		found = found || compare(value, chosen) == 0;
	}
	if (!found)
		sp_v_invalid(v, path, sp_jmut_str(chosen),
			     "default value is not valid according to the requestPolicy");
}

static void above(sp_violations *v, const sp_path *path, yyjson_mut_val *a, yyjson_mut_val *b, sp_str shown,
		  const char *text)
{
	sp_str limit = sp_jmut_str(b);
	if (compare(a, b) > 0)
		sp_v_invalid(v, path, shown, "%s" SP_FMT, text, SP_ARG(limit));
}

static void in_steps(sp_violations *v, const sp_path *path, yyjson_mut_val *value, yyjson_mut_val *min,
		     yyjson_mut_val *step)
{
	sp_qty x = sp_kv_qty(value), from = sp_kv_qty(min), by = sp_kv_qty(step);
	int64_t size = sp_qty_value(&by), over = sp_qty_value(&x) - sp_qty_value(&from);
	sp_str step_text = sp_jmut_str(step), min_text = sp_jmut_str(min);
	if (size == 0 || over % size != 0)
		sp_v_invalid(v, path, sp_jmut_str(value),
			     "value is not a multiple of a given step (" SP_FMT ") from (" SP_FMT ")",
			     SP_ARG(step_text), SP_ARG(min_text));
}

static void valid_range(sp_violations *v, yyjson_mut_val *policy, yyjson_mut_val *most, const sp_path *path)
{
	yyjson_mut_val *range = sp_kv_get(policy, "validRange"), *chosen = sp_kv_get(policy, "default");
	yyjson_mut_val *min = sp_kv_get(range, "min"), *max = sp_kv_get(range, "max");
	yyjson_mut_val *step = sp_kv_get(range, "step");
	if (min == NULL) {
		sp_v_required(v, SP_AT(path, "min"), "required when validRange is defined");
		return;
	}
	above(v, SP_AT(path, "min"), min, most, sp_jmut_str(min), "min is larger than capacity value: ");
	if (compare(chosen, min) < 0)
		above(v, SP_AT(path, "min"), min, chosen, sp_jmut_str(chosen), "default is less than min: ");
	if (max != NULL) {
		above(v, SP_AT(path, "max"), min, max, sp_jmut_str(min), "min is larger than max: ");
		above(v, SP_AT(path, "max"), max, most, sp_jmut_str(max),
		      "max is larger than capacity value: ");
		above(v, SP_AT(path, "max"), chosen, max, sp_jmut_str(chosen), "default is more than max: ");
	}
	if (step == NULL)
		return;
	in_steps(v, SP_AT(path, "step"), chosen, min, step);
	if (max != NULL)
		in_steps(v, SP_AT(path, "step"), max, min, step);
}

static void request_policy(sp_violations *v, yyjson_mut_val *capacity, bool shared, const sp_path *path)
{
	static const struct {
		const char *name;
		void (*check)(sp_violations *, yyjson_mut_val *, yyjson_mut_val *, const sp_path *);
	} rules[] = {{"validValues", valid_values}, {"validRange", valid_range}};
	yyjson_mut_val *policy = sp_kv_get(capacity, "requestPolicy");
	if (policy == NULL)
		return;
	if (!shared) {
		sp_v_forbidden(v, path, "allowMultipleAllocations must be true");
		return;
	}
	if (sp_kv_list(policy, "validValues") != NULL && sp_kv_has(policy, "validRange")) {
		sp_v_forbidden(v, path,
			       "exactly one policy can be specified, cannot specify \"validValues\" and "
			       "\"validRange\" at the same time");
		return;
	}
	for (size_t i = 0; i < SP_LEN(rules); i++) {
		if (sp_kv_len(sp_kv_get(policy, rules[i].name)) == 0)
			continue;
		if (!sp_kv_has(policy, "default"))
			sp_v_required(v, SP_AT(path, "default"), "required when %s is defined",
				      rules[i].name);
		else
			rules[i].check(v, policy, sp_kv_get(capacity, "value"),
				       SP_AT_STR(path, sp_str_c(rules[i].name)));
	}
}

/* -- counters ------------------------------------------------------------------------------------------- */

/* A counter set, shared by devices or used by one. */
static void counters(sp_violations *v, yyjson_mut_val *set, const char *name, const sp_path *path)
{
	yyjson_mut_val *map = sp_kv_map(set, "counters");
	sp_str own = sp_kv_str(set, name);
	const sp_path *at = SP_AT(path, "counters");
	if (own.len == 0)
		sp_v_required(v, SP_AT_STR(path, sp_str_c(name)), "%s", "");
	else
		sp_v_dns1123_label(v, SP_AT_STR(path, sp_str_c(name)), own);
	if (map == NULL)
		sp_v_required(v, at, "%s", "");
	if (!sp_device_list_fits(v, at, map, COUNTERS_MAX))
		return;
	SP_KV_EACH_MEMBER (key, val, i, map) {
		(void)val;
		sp_v_dns1123_label(v, at, sp_jmut_str(key));
	}
}

static void counter_sets(sp_violations *v, yyjson_mut_val *list, const char *name, size_t max,
			 const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	if (!sp_device_list_fits(v, path, list, max))
		return;
	SP_KV_EACH (set, i, list) {
		counters(v, set, name, SP_AT_I(path, i));
		if (!sp_strset_add(&names, sp_kv_str(set, name), v))
			sp_v_duplicate(v, SP_AT_I(path, i), sp_kv_str(set, name));
	}
}

/* -- where devices are ---------------------------------------------------------------------------------- */

/* Adds "`name`" to the list of what is set. */
static void note(sp_buf *out, const char *name, size_t *n)
{
	(void)sp_buf_printf(out, "%s`%s`", (*n)++ > 0 ? ", " : "", name);
}

static void flag(sp_violations *v, yyjson_mut_val *object, const char *name, const sp_path *path, sp_buf *out,
		 size_t *n)
{
	if (!sp_kv_has(object, name))
		return;
	if (sp_kv_bool(object, name))
		note(out, name, n);
	else
		sp_v_invalid(v, SP_AT_STR(path, sp_str_c(name)), sp_bad_bool(false),
			     "must be either unset or set to true");
}

/* nodeName, nodeSelector, allNodes (and perDeviceNodeSelection of a slice): exactly one. */
static void placement(sp_violations *v, yyjson_mut_val *object, bool slice, const sp_path *path)
{
	static const char of_slice[] =
		"exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
	static const char of_device[] =
		"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when "
		"`perDeviceNodeSelection` is set to true in the ResourceSlice spec";
	SP_AUTO_BUF set;
	sp_str node = sp_kv_str(object, "nodeName");
	yyjson_mut_val *selector = sp_kv_get(object, "nodeSelector");
	yyjson_mut_val *terms = sp_kv_list(selector, "nodeSelectorTerms");
	size_t n = 0;
	sp_buf_init(&set, 256);
	if (node.len > 0) {
		note(&set, "nodeName", &n);
		sp_v_dns1123_subdomain(v, SP_AT(path, "nodeName"), node);
	} else if (sp_kv_has(object, "nodeName")) {
		sp_v_invalid(v, SP_AT(path, "nodeName"), node, "%s",
			     slice ? "must be either unset or set to a non-empty string"
				   : "must not be empty");
	}
	if (selector != NULL) {
		note(&set, "nodeSelector", &n);
		sp_node_selector_validate(v, SP_AT(path, "nodeSelector"), selector, false);
		if (slice && sp_kv_len(terms) != 1)
			sp_v_invalid(v, SP_AT(path, "nodeSelector.nodeSelectorTerms"), terms,
				     "must have exactly one node selector term");
	}
	flag(v, object, "allNodes", path, &set, &n);
	if (slice)
		flag(v, object, "perDeviceNodeSelection", path, &set, &n);
	sp_str shown = sp_buf_view(&set);
	if (n == 0)
		sp_v_required(v, path, "%s", slice ? of_slice : of_device);
	else if (n > 1)
		sp_v_invalid(v, path, sp_arena_printf(v->arena, "{" SP_FMT "}", SP_ARG(shown)), "%s%s",
			     slice ? of_slice : of_device, slice ? ", but multiple fields are set" : "");
}

/* -- devices -------------------------------------------------------------------------------------------- */

static yyjson_mut_val *device_named(yyjson_mut_val *spec, sp_str name)
{
	SP_KV_EACH (device, i, sp_kv_list(spec, "devices")) {
		if (sp_str_eq(sp_kv_str(device, "name"), name))
			return device;
	}
	return NULL;
}

static void device_validate(sp_violations *v, yyjson_mut_val *device, yyjson_mut_val *old, bool placed,
			    const sp_path *path)
{
	yyjson_mut_val *attributes = sp_kv_map(device, "attributes"),
		       *capacity = sp_kv_map(device, "capacity");
	yyjson_mut_val *taints = sp_kv_list(device, "taints");
	const sp_path *at_attributes = SP_AT(path, "attributes"), *at_capacity = SP_AT(path, "capacity");
	int64_t n = (int64_t)(sp_kv_len(attributes) + sp_kv_len(capacity));
	bool elsewhere = sp_kv_has(device, "nodeName") || sp_kv_has(device, "nodeSelector") ||
			 sp_kv_has(device, "allNodes");
	sp_v_dns1123_label(v, SP_AT(path, "name"), sp_kv_str(device, "name"));
	if (n > ATTRIBUTES_MAX)
		sp_v_invalid(v, path, n, "the total number of attributes and capacities must not exceed %d",
			     ATTRIBUTES_MAX);
	SP_KV_EACH_MEMBER (key, val, i, attributes) {
		sp_device_qualified_name(v, at_attributes, sp_jmut_str(key));
		attribute(v, val, SP_AT_KEY(at_attributes, sp_jmut_str(key)));
	}
	SP_KV_EACH_MEMBER (key, val, i, capacity) {
		sp_device_qualified_name(v, at_capacity, sp_jmut_str(key));
		request_policy(v, val, sp_kv_bool(device, "allowMultipleAllocations"),
			       SP_AT(SP_AT_KEY(at_capacity, sp_jmut_str(key)), "requestPolicy"));
	}
	if ((old == NULL || !sp_kv_equal(taints, sp_kv_get(old, "taints"))) &&
	    sp_device_list_fits(v, SP_AT(path, "taints"), taints, TAINTS_MAX)) {
		SP_KV_EACH (taint, i, taints) {
			sp_device_taint(v, taint, SP_AT_I(SP_AT(path, "taints"), i));
		}
	}
	counter_sets(v, sp_kv_list(device, "consumesCounters"), "counterSet", CONSUMPTIONS_MAX,
		     SP_AT(path, "consumesCounters"));
	if (placed)
		placement(v, device, false, path);
	else if (elsewhere)
		sp_v_invalid(v, path, sp_bad_text(SP_STR("null")),
			     "`nodeName`, `nodeSelector` and `allNodes` can only be set if "
			     "`perDeviceNodeSelection` is set to true in the ResourceSlice spec");
	sp_device_binding_conditions(v, device, path);
}

static void devices_validate(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *old, const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	yyjson_mut_val *devices = sp_kv_list(spec, "devices");
	size_t max = DEVICES_MAX;
	SP_KV_EACH (device, i, devices) {
		if (sp_kv_list(device, "taints") != NULL || sp_kv_list(device, "consumesCounters") != NULL)
			max = DEVICES_ADVANCED_MAX;
	}
	if (!sp_device_list_fits(v, path, devices, max))
		return;
	SP_KV_EACH (device, i, devices) {
		sp_str name = sp_kv_str(device, "name");
		device_validate(v, device, device_named(old, name),
				sp_kv_bool(spec, "perDeviceNodeSelection"), SP_AT_I(path, i));
		if (!sp_strset_add(&names, name, v))
			sp_v_duplicate(v, SP_AT_I(path, i), name);
	}
}

static void spec_validate(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	yyjson_mut_val *pool = sp_kv_get(spec, "pool");
	const sp_path *path = SP_PATH("spec"), *at_pool = SP_AT(path, "pool");
	int64_t slices = sp_kv_i64(pool, "resourceSliceCount", 0),
		generation = sp_kv_i64(pool, "generation", 0);
	sp_csi_driver_name_validate(v, SP_AT(path, "driver"), sp_kv_str(spec, "driver"));
	sp_device_pool_name(v, SP_AT(at_pool, "name"), sp_kv_str(pool, "name"));
	if (slices <= 0)
		sp_v_invalid(v, SP_AT(at_pool, "resourceSliceCount"), slices, "must be greater than zero");
	if (generation < 0)
		sp_v_invalid(v, SP_AT(at_pool, "generation"), generation,
			     "must be greater than or equal to zero");
	if (old != NULL) {
		sp_v_immutable(v, SP_AT(at_pool, "name"), sp_kv_get(pool, "name"),
			       sp_kv_path(old, "pool", "name", NULL));
		sp_v_immutable(v, SP_AT(path, "driver"), sp_kv_get(spec, "driver"), sp_kv_get(old, "driver"));
		sp_v_immutable(v, SP_AT(path, "nodeName"), sp_kv_get(spec, "nodeName"),
			       sp_kv_get(old, "nodeName"));
	}
	placement(v, spec, true, path);
	if (sp_kv_list(spec, "sharedCounters") != NULL && sp_kv_list(spec, "devices") != NULL)
		sp_v_invalid(v, path, "", "only one of `sharedCounters` or `devices` is allowed");
	devices_validate(v, spec, old, SP_AT(path, "devices"));
	counter_sets(v, sp_kv_list(spec, "sharedCounters"), "name", COUNTER_SETS_MAX,
		     SP_AT(path, "sharedCounters"));
}

static const char mappings[] = "nodeAllocatableResourceMappings";

static bool has_mappings(yyjson_mut_val *obj)
{
	SP_KV_EACH (device, i, sp_kv_list(sp_kv_get(obj, "spec"), "devices")) {
		if (sp_kv_map(device, mappings) != NULL)
			return true;
	}
	return false;
}

/* Behind a feature gate that is off: kept only where they were before. */
static void drop_mappings(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (has_mappings(old))
		return;
	SP_KV_EACH (device, i, sp_kv_list(sp_kv_get(obj, "spec"), "devices"))
		sp_kv_drop(device, mappings);
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	drop_mappings(obj, NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	drop_mappings(obj, old);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c->errors, sp_kv_get(obj, "spec"), NULL);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c->errors, sp_kv_get(obj, "spec"), sp_kv_get(old, "spec"));
}

static const sp_selectable selectable[] = {{SP_STR_INIT("spec.driver"), NULL},
					   {SP_STR_INIT("spec.nodeName"), NULL}};

const sp_kind_hooks sp_hooks_resource_slice = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_RETURNS_DELETED,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
};
