/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "base/map.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "kube/meta.h"

void sp_v_faults(sp_violations *v, const sp_path *path, sp_str value, sp_name_faults faults)
{
	for (size_t i = 0; i < faults.n; i++)
		sp_v_invalid(v, path, value, SP_FMT SP_FMT, SP_ARG(faults.items[i].prefix),
			     SP_ARG(faults.items[i].text));
}

void sp_v_immutable(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *old)
{
	if (!sp_kv_equal(now, old))
		sp_v_invalid(v, path, now, "field is immutable");
}

void sp_v_non_negative(sp_violations *v, const sp_path *path, int64_t n)
{
	if (n < 0)
		sp_v_invalid(v, path, n, "must be greater than or equal to 0");
}

void sp_label_key_validate(sp_violations *v, const sp_path *path, sp_str key)
{
	sp_v_faults(v, path, key, sp_name_qualified(key));
}

void sp_labels_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *labels)
{
	SP_KV_EACH_MEMBER (key, val, i, labels) {
		sp_label_key_validate(v, path, sp_jmut_str(key));
		sp_v_faults(v, path, sp_jmut_str(val), sp_name_label_value(sp_jmut_str(val)));
	}
}

/* The rule of label keys except that case does not matter. */
static sp_name_faults annotation_key(sp_str key)
{
	char lower[SP_LIMIT_NAME_BYTES + SP_LIMIT_LABEL_VALUE_BYTES + 2];
	if (key.len > sizeof lower)
		return sp_name_qualified(key); /* too long for any key, whatever its case */
	for (size_t i = 0; i < key.len; i++) {
		char ch = key.ptr[i];
		lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch + ('a' - 'A')) : ch;
	}
	return sp_name_qualified((sp_str){lower, key.len});
}

void sp_annotations_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *annotations)
{
	size_t total = 0;
	SP_KV_EACH_MEMBER (key, val, i, annotations) {
		sp_v_faults(v, path, sp_jmut_str(key), annotation_key(sp_jmut_str(key)));
		total += sp_jmut_str(key).len + sp_jmut_str(val).len;
	}
	if (total > SP_LIMIT_ANNOTATIONS_BYTES)
		sp_v_too_long(v, path, (int64_t)SP_LIMIT_ANNOTATIONS_BYTES);
}

/* An owner as Go prints it: the four names always, the flags when present. */
static void write_owner(sp_buf *out, yyjson_mut_val *owner)
{
	static const char *const names[] = {"apiVersion", "kind", "name", "uid"};
	static const char *const flags[] = {"controller", "blockOwnerDeletion"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		(void)sp_buf_printf(out, "%c\"%s\":", i == 0 ? '{' : ',', names[i]);
		(void)sp_json_write_str(out, sp_kv_str(owner, names[i]));
	}
	for (size_t i = 0; i < SP_LEN(flags); i++) {
		if (sp_kv_has(owner, flags[i]))
			(void)sp_buf_printf(out, ",\"%s\":%s", flags[i],
					    sp_kv_bool(owner, flags[i]) ? "true" : "false");
	}
	(void)sp_buf_char(out, '}');
}

/* The version of "group/version" or "version"; empty for what is neither. */
static sp_str version_of(sp_str api_version)
{
	sp_str version = api_version, group;
	if (!sp_str_cut(&version, '/', &group))
		return api_version;
	return sp_str_index(version, '/') >= 0 ? (sp_str){NULL, 0} : version;
}

static void owner_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *owner)
{
	static const char *const required[] = {"kind", "name", "uid"};
	sp_str api_version = sp_kv_str(owner, "apiVersion");
	if (version_of(api_version).len == 0)
		sp_v_invalid(v, SP_AT(path, "apiVersion"), api_version, "version must not be empty");
	for (size_t i = 0; i < SP_LEN(required); i++) {
		/* a uid is a type of its own in Go, which prints the same when empty */
		if (sp_kv_str(owner, required[i]).len == 0)
			sp_v_invalid(v, SP_AT_STR(path, sp_str_c(required[i])), "", "must not be empty");
	}
	if (sp_str_eq(api_version, SP_STR("v1")) && sp_kv_is(owner, "kind", "Event")) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
		write_owner(&text, owner);
		sp_v_invalid(v, path, sp_bad_text(sp_buf_view(&text)),
			     "/v1, Kind=Event is disallowed from being an owner");
	}
}

static void two_controllers(sp_violations *v, const sp_path *path, yyjson_mut_val *owners,
			    yyjson_mut_val *first, yyjson_mut_val *second)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	SP_KV_EACH (owner, i, owners) {
		(void)sp_buf_char(&text, i == 0 ? '[' : ',');
		write_owner(&text, owner);
	}
	(void)sp_buf_char(&text, ']');
	sp_str kind1 = sp_kv_str(first, "kind"), name1 = sp_kv_str(first, "name");
	sp_str kind2 = sp_kv_str(second, "kind"), name2 = sp_kv_str(second, "name");
	sp_v_invalid(
		v, path, sp_bad_text(sp_buf_view(&text)),
		"Only one reference can have Controller set to true. Found \"true\" in references for " SP_FMT
		"/" SP_FMT " and " SP_FMT "/" SP_FMT,
		SP_ARG(kind1), SP_ARG(name1), SP_ARG(kind2), SP_ARG(name2));
}

void sp_owner_references_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *owners)
{
	yyjson_mut_val *controller = NULL;
	size_t n_controllers = 0;
	SP_KV_EACH (owner, i, owners) {
		owner_validate(v, path, owner);
		if (!sp_kv_bool(owner, "controller"))
			continue;
		if (controller == NULL)
			controller = owner;
		else if (n_controllers++ < SP_VIOLATIONS_MAX / 100) /* each shows the whole list */
			two_controllers(v, path, owners, controller, owner);
	}
}

static const char finalizer_orphan[] = "orphan", finalizer_foreground[] = "foregroundDeletion";

bool sp_finalizer_is_usual(sp_str finalizer)
{
	static const char *const standard[] = {"kubernetes", finalizer_orphan, finalizer_foreground};
	return sp_str_index(finalizer, '/') >= 0 || SP_STR_IN(finalizer, standard);
}

void sp_finalizer_validate(sp_violations *v, const sp_path *path, sp_str finalizer)
{
	if (!sp_finalizer_is_usual(finalizer))
		sp_v_invalid(v, path, finalizer,
			     "name is neither a standard finalizer name nor is it fully qualified");
}

static void kube_finalizers(sp_violations *v, yyjson_mut_val *meta)
{
	const sp_path *path = SP_PATH("metadata.finalizers");
	SP_KV_EACH (item, i, sp_kv_list(meta, "finalizers")) {
		sp_finalizer_validate(v, SP_AT_I(path, i), sp_jmut_str(item));
	}
}

static void finalizers_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *finalizers)
{
	bool orphan = false, foreground = false;
	SP_KV_EACH (item, i, finalizers) {
		sp_str s = sp_jmut_str(item);
		sp_v_faults(v, path, s, sp_name_qualified(s));
		orphan = orphan || sp_str_eq(s, sp_str_c(finalizer_orphan));
		foreground = foreground || sp_str_eq(s, sp_str_c(finalizer_foreground));
	}
	if (orphan && foreground)
		sp_v_invalid(v, path, finalizers, "finalizer %s and %s cannot be both set", finalizer_orphan,
			     finalizer_foreground);
}

#define FIELD_MANAGER_BYTES_MAX 128u
#define SUBRESOURCE_BYTES_MAX 256u

void sp_field_manager_validate(sp_violations *v, const sp_path *path, sp_str manager)
{
	if (manager.len > FIELD_MANAGER_BYTES_MAX)
		sp_v_too_long(v, path, (int64_t)FIELD_MANAGER_BYTES_MAX);
	for (size_t i = 0; i < manager.len;) {
		uint32_t rune;
		size_t n = sp_utf8_decode(sp_str_sub(manager, i, manager.len), &rune);
		if (!sp_rune_prints(rune))
			sp_v_invalid(v, path, manager, "invalid character U+%04X (at position %zu)",
				     (unsigned)rune, i);
		i += n;
	}
}

static void managed_fields_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *list)
{
	SP_KV_EACH (entry, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str operation = sp_kv_str(entry, "operation"), type = sp_kv_str(entry, "fieldsType");
		if (!sp_kv_is(entry, "operation", "Apply") && !sp_kv_is(entry, "operation", "Update"))
			sp_v_invalid(v, SP_AT(at, "operation"), sp_bad_named(operation),
				     "must be `Apply` or `Update`");
		if (type.len > 0 && !sp_str_eq(type, SP_STR("FieldsV1")))
			sp_v_invalid(v, SP_AT(at, "fieldsType"), type, "must be `FieldsV1`");
		sp_field_manager_validate(v, SP_AT(at, "manager"), sp_kv_str(entry, "manager"));
		if (sp_kv_str(entry, "subresource").len > SUBRESOURCE_BYTES_MAX)
			sp_v_too_long(v, SP_AT(at, "subresource"), (int64_t)SUBRESOURCE_BYTES_MAX);
	}
}

/* The parts that every check of a complete metadata has. */
static void meta_common(sp_violations *v, yyjson_mut_val *meta, bool namespaced)
{
	const sp_path *path = SP_PATH("metadata");
	sp_str ns = sp_kv_str(meta, "namespace");
	if (!namespaced && ns.len > 0)
		sp_v_forbidden(v, SP_AT(path, "namespace"), "not allowed on this type");
	if (namespaced && ns.len == 0)
		sp_v_required(v, SP_AT(path, "namespace"), "%s", "");
	if (namespaced && ns.len > 0)
		sp_v_faults(v, SP_AT(path, "namespace"), ns, sp_name_dns1123_label(ns));
	sp_v_non_negative(v, SP_AT(path, "generation"), sp_kv_i64(meta, "generation", 0));
	sp_labels_validate(v, SP_AT(path, "labels"), sp_kv_map(meta, "labels"));
	sp_annotations_validate(v, SP_AT(path, "annotations"), sp_kv_map(meta, "annotations"));
	sp_owner_references_validate(v, SP_AT(path, "ownerReferences"), sp_kv_list(meta, "ownerReferences"));
	finalizers_validate(v, SP_AT(path, "finalizers"), sp_kv_list(meta, "finalizers"));
	managed_fields_validate(v, SP_AT(path, "managedFields"), sp_kv_list(meta, "managedFields"));
}

static void meta_validate(sp_violations *v, yyjson_mut_val *meta, bool namespaced,
			  sp_name_faults (*name_rule)(sp_str))
{
	const sp_path *path = SP_PATH("metadata");
	sp_str base = sp_kv_str(meta, "generateName"), name = sp_kv_str(meta, "name");
	if (base.len > 0)
		sp_v_faults(v, SP_AT(path, "generateName"), base, sp_name_prefix(name_rule, base));
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "name or generateName is required");
	else
		sp_v_faults(v, SP_AT(path, "name"), name, name_rule(name));
	meta_common(v, meta, namespaced);
}

void sp_meta_validate_as(sp_kind_ctx *c, yyjson_mut_val *obj, bool namespaced, sp_name_faults (*name)(sp_str))
{
	meta_validate(c->errors, sp_meta(obj), namespaced, name);
	kube_finalizers(c->errors, sp_meta(obj));
}

void sp_meta_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const sp_kind_hooks *hooks = c->kind->hooks;
	sp_meta_validate_as(c, obj, c->kind->namespaced,
			    hooks != NULL && hooks->name != NULL ? hooks->name : sp_name_dns1123_subdomain);
}

void sp_meta_validate_custom(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	meta_validate(c->errors, sp_meta(obj), c->kind->namespaced, sp_name_dns1123_subdomain);
}

void sp_meta_validate_generic(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	meta_validate(c->errors, sp_meta(obj), c->kind->namespaced, sp_name_path_segment);
}

/* Those of `now` that `old` lacks are shown as Go prints a sorted []string. */
static void new_finalizers(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *old)
{
	sp_str texts[64]; /* more are not shown */
	size_t n = 0;
	SP_KV_EACH (item, i, now) {
		sp_str s = sp_jmut_str(item);
		bool known = false;
		SP_KV_EACH (was, k, old) {
			known = known || sp_str_eq(sp_jmut_str(was), s);
		}
		size_t at = 0;
		while (at < n && sp_str_cmp(texts[at], s) < 0)
			at++;
		if (known || n == SP_LEN(texts) || (at < n && sp_str_eq(texts[at], s)))
			continue;
		memmove(&texts[at + 1], &texts[at], (n - at) * sizeof(texts[0]));
		texts[at] = s;
		n++;
	}
	if (n == 0)
		return;
	SP_AUTO_BUF list;
	sp_buf_init(&list, SP_LIMIT_REQUEST_BODY_BYTES);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(&list, i == 0 ? SP_STR("[]string{") : SP_STR(", "));
		(void)sp_quote_go(&list, texts[i]);
	}
	sp_str text = sp_buf_view(&list);
	sp_v_forbidden(
		v, path,
		"no new finalizers can be added if the object is being deleted, found new finalizers " SP_FMT
		"}",
		SP_ARG(text));
}

void sp_meta_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update_generic(c, obj, old);
	kube_finalizers(c->errors, sp_meta(obj));
}

void sp_meta_validate_update_generic(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const strings[] = {"name", "namespace"};
	static const char *const others[] = {"uid", "creationTimestamp", "deletionTimestamp",
					     "deletionGracePeriodSeconds"};
	sp_violations *v = c->errors;
	yyjson_mut_val *meta = sp_meta(obj), *was = sp_meta(old);
	const sp_path *path = SP_PATH("metadata");
	if (sp_kv_has(was, "deletionTimestamp"))
		new_finalizers(v, SP_AT(path, "finalizers"), sp_kv_list(meta, "finalizers"),
			       sp_kv_list(was, "finalizers"));
	if (sp_kv_str(meta, "resourceVersion").len == 0)
		sp_v_invalid(v, SP_AT(path, "resourceVersion"), "", "must be specified for an update");
	int64_t generation = sp_kv_i64(meta, "generation", 0);
	if (generation < sp_kv_i64(was, "generation", 0))
		sp_v_invalid(v, SP_AT(path, "generation"), generation, "must not be decremented");
	for (size_t i = 0; i < SP_LEN(strings); i++) {
		sp_str now = sp_kv_str(meta, strings[i]);
		if (!sp_str_eq(now, sp_kv_str(was, strings[i])))
			sp_v_invalid(v, SP_AT_STR(path, sp_str_c(strings[i])), now, "field is immutable");
	}
	for (size_t i = 0; i < SP_LEN(others); i++)
		sp_v_immutable(v, SP_AT_STR(path, sp_str_c(others[i])), sp_kv_get(meta, others[i]),
			       sp_kv_get(was, others[i]));
	sp_labels_validate(v, SP_AT(path, "labels"), sp_kv_map(meta, "labels"));
	sp_annotations_validate(v, SP_AT(path, "annotations"), sp_kv_map(meta, "annotations"));
	sp_owner_references_validate(v, SP_AT(path, "ownerReferences"), sp_kv_list(meta, "ownerReferences"));
	managed_fields_validate(v, SP_AT(path, "managedFields"), sp_kv_list(meta, "managedFields"));
}

void sp_label_requirement_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *req,
				   unsigned options)
{
	static const char *const with_values[] = {"In", "NotIn"};
	static const char *const without[] = {"Exists", "DoesNotExist"};
	sp_str op = sp_kv_str(req, "operator");
	yyjson_mut_val *values = sp_kv_list(req, "values");
	if (SP_STR_IN(op, with_values)) {
		if (values == NULL)
			sp_v_required(v, SP_AT(path, "values"),
				      "must be specified when `operator` is 'In' or 'NotIn'");
	} else if (SP_STR_IN(op, without)) {
		if (values != NULL)
			sp_v_forbidden(v, SP_AT(path, "values"),
				       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
	} else if ((options & SP_LABEL_SELECTOR_ANY_OPERATOR) == 0) {
		sp_v_invalid(v, SP_AT(path, "operator"), sp_bad_named(op), "not a valid selector operator");
	}
	sp_label_key_validate(v, SP_AT(path, "key"), sp_kv_str(req, "key"));
	if ((options & SP_LABEL_SELECTOR_BAD_VALUES) != 0)
		return;
	SP_KV_EACH (item, i, values) {
		sp_v_faults(v, SP_AT_I(SP_AT(path, "values"), i), sp_jmut_str(item),
			    sp_name_label_value(sp_jmut_str(item)));
	}
}

void sp_label_selector_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *selector,
				unsigned options)
{
	sp_labels_validate(v, SP_AT(path, "matchLabels"), sp_kv_map(selector, "matchLabels"));
	SP_KV_EACH (req, i, sp_kv_list(selector, "matchExpressions")) {
		sp_label_requirement_validate(v, SP_AT_I(SP_AT(path, "matchExpressions"), i), req, options);
	}
}

bool sp_label_selector_has_bad_value(yyjson_mut_val *selector)
{
	SP_KV_EACH (req, i, sp_kv_list(selector, "matchExpressions")) {
		SP_KV_EACH (item, k, sp_kv_list(req, "values")) {
			if (sp_name_label_value(sp_jmut_str(item)).n > 0)
				return true;
		}
	}
	return false;
}

#define CONDITION_REASON_BYTES_MAX 1024u
#define CONDITION_MESSAGE_BYTES_MAX 32768u

static bool is_letter(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static bool is_word(char ch)
{
	return is_letter(ch) || (ch >= '0' && ch <= '9') || ch == '_';
}

static bool reason_matches(sp_str s)
{
	if (s.len == 0 || !is_letter(s.ptr[0]) || (s.len > 1 && !is_word(s.ptr[s.len - 1])))
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (!is_word(s.ptr[i]) && s.ptr[i] != ',' && s.ptr[i] != ':')
			return false;
	}
	return true;
}

static void condition_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *cond)
{
	static const char *const statuses[] = {"False", "True", "Unknown"};
	sp_str reason = sp_kv_str(cond, "reason"), status = sp_kv_str(cond, "status");
	int64_t generation = sp_kv_i64(cond, "observedGeneration", 0);
	sp_label_key_validate(v, SP_AT(path, "type"), sp_kv_str(cond, "type"));
	if (!SP_STR_IN(status, statuses))
		sp_v_not_supported(v, SP_AT(path, "status"), sp_bad_named(status), statuses,
				   SP_LEN(statuses));
	if (generation < 0)
		sp_v_invalid(v, SP_AT(path, "observedGeneration"), generation,
			     "must be greater than or equal to zero");
	if (!sp_kv_has(cond, "lastTransitionTime"))
		sp_v_required(v, SP_AT(path, "lastTransitionTime"), "%s", "");
	if (reason.len == 0)
		sp_v_required(v, SP_AT(path, "reason"), "%s", "");
	else if (!reason_matches(reason))
		sp_v_invalid(
			v, SP_AT(path, "reason"), reason,
			"a condition reason must start with alphabetic character, optionally followed by a "
			"string of alphanumeric characters or '_,:', and must end with an alphanumeric "
			"character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
			"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
			"'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
	if (reason.len > CONDITION_REASON_BYTES_MAX)
		sp_v_too_long(v, SP_AT(path, "reason"), (int64_t)CONDITION_REASON_BYTES_MAX);
	if (sp_kv_str(cond, "message").len > CONDITION_MESSAGE_BYTES_MAX)
		sp_v_too_long(v, SP_AT(path, "message"), (int64_t)CONDITION_MESSAGE_BYTES_MAX);
}

void sp_conditions_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *conditions)
{
	sp_map seen;
	sp_map_init(&seen);
	SP_KV_EACH (cond, i, conditions) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str type = sp_kv_str(cond, "type");
		if (sp_map_get(&seen, type) != NULL)
			sp_v_duplicate(v, SP_AT(at, "type"), type);
		else if (sp_map_put(&seen, type, cond, NULL) != SP_OK)
			v->code = SP_ENOMEM;
		condition_validate(v, at, cond);
	}
	sp_map_done(&seen);
}
