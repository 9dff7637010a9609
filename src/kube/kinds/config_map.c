/* SPDX-License-Identifier: Apache-2.0 */
/* ConfigMaps and Secrets. U: kubernetes pkg/apis/core/validation/validation.go. */
#include "base/base64.h"
#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

#define DATA_BYTES_MAX ((size_t)1 << 20) /* of all values */

/* Decoded length of base64 text. */
static size_t decoded_len(sp_str text)
{
	size_t n = text.len / 4 * 3;
	for (size_t i = text.len; i > 0 && n > 0 && text.ptr[i - 1] == '='; i--)
		n--;
	return n;
}

/* Keys of a map; returns the bytes of its values. */
static size_t keys_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *map, bool base64)
{
	size_t total = 0;
	SP_KV_EACH_MEMBER (key, val, i, map) {
		sp_str k = sp_jmut_str(key);
		sp_v_faults(v, SP_AT_KEY(path, k), k, sp_fmt_config_map_key(k));
		total += base64 ? decoded_len(sp_jmut_str(val)) : sp_jmut_str(val).len;
	}
	return total;
}

static void config_map_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *data = sp_kv_map(obj, "data"), *binary = sp_kv_map(obj, "binaryData");
	const sp_path *path = SP_PATH("data");
	SP_AUTO_STRSET keys = {.map = {0}};
	sp_meta_validate(c, obj);
	size_t total = keys_validate(c->errors, path, data, false) +
		       keys_validate(c->errors, SP_PATH("binaryData"), binary, true);
	SP_KV_EACH_MEMBER (key, val, i, binary) {
		(void)val;
		(void)sp_strset_add(&keys, sp_jmut_str(key), c->errors);
	}
	SP_KV_EACH_MEMBER (key, val, i, binary != NULL ? data : NULL) {
		(void)val;
		sp_str k = sp_jmut_str(key);
		if (sp_strset_has(&keys, k))
			sp_v_invalid(c->errors, SP_AT_KEY(path, k), k,
				     "duplicate of key present in binaryData");
	}
	if (total > DATA_BYTES_MAX)
		sp_v_too_long(c->errors, SP_PATH(""), (int64_t)DATA_BYTES_MAX);
}

/* Once `immutable` is set, it and the data stay. */
static void immutable_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old,
			   const char *const *members, size_t n)
{
	static const char why[] = "field is immutable when `immutable` is set";
	if (!sp_kv_bool(old, "immutable"))
		return;
	if (!sp_kv_bool(obj, "immutable"))
		sp_v_forbidden(v, SP_PATH("immutable"), "%s", why);
	for (size_t i = 0; i < n; i++) {
		if (!sp_kv_equal(sp_kv_get(obj, members[i]), sp_kv_get(old, members[i])))
			sp_v_forbidden(v, SP_AT_STR(NULL, sp_str_c(members[i])), "%s", why);
	}
}

static void config_map_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const members[] = {"data", "binaryData"};
	sp_meta_validate_update(c, obj, old);
	immutable_kept(c->errors, obj, old, members, SP_LEN(members));
	config_map_validate(c, obj);
}

static yyjson_mut_val *config_map_data_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_i64(
		c, (int64_t)(sp_kv_len(sp_kv_get(obj, "data")) + sp_kv_len(sp_kv_get(obj, "binaryData"))));
}

static const sp_cell config_map_cells[] = {{SP_STR_INIT("Data"), config_map_data_cell}};

const sp_kind_hooks sp_hooks_config_map = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.validate = config_map_validate,
	.validate_update = config_map_validate_update,
	.cells = config_map_cells,
	.n_cells = SP_LEN(config_map_cells),
};

/* A docker configuration: any JSON object. */
static void docker_validate(sp_kind_ctx *c, yyjson_mut_val *data, const char *key)
{
	const sp_path *path = SP_AT_KEY(SP_PATH("data"), sp_str_c(key));
	yyjson_mut_val *val = sp_kv_get(data, key);
	yyjson_val *tree = NULL;
	sp_err err = {.code = SP_OK};
	sp_str encoded = sp_jmut_str(val);
	uint8_t *bytes = sp_arena_try_alloc(c->arena, encoded.len + 4);
	size_t n = 0;
	if (val == NULL) {
		sp_v_required(c->errors, path, "%s", "");
		return;
	}
	SP_KIND_NEED(c, bytes != NULL);
	if (bytes == NULL || sp_base64_decode(encoded, bytes, &n, NULL) != SP_OK)
		return; /* decoding the request has refused what is no base64 */
	sp_str text = {(const char *)bytes, n};
	if (sp_json_parse(c->arena, text, &tree, &err) != SP_OK)
		sp_v_invalid(c->errors, path, "<secret contents redacted>", "%s", err.msg);
	else if (!yyjson_is_obj(tree) && !yyjson_is_null(tree))
		sp_v_invalid(c->errors, path, "<secret contents redacted>",
			     "json: cannot unmarshal %s into Go value of type map[string]interface {}",
			     yyjson_is_arr(tree)    ? "array"
			     : yyjson_is_str(tree)  ? "string"
			     : yyjson_is_bool(tree) ? "bool"
						    : "number");
}

/* What secrets of a known type hold. */
static void secret_type_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char account[] = "kubernetes.io/service-account.name";
	yyjson_mut_val *data = sp_kv_map(obj, "data");
	const sp_path *path = SP_PATH("data");
	sp_violations *v = c->errors;
	if (sp_kv_is(obj, "type", "kubernetes.io/service-account-token") &&
	    sp_meta_annotation(obj, account).len == 0)
		sp_v_required(v, SP_AT_KEY(SP_PATH("metadata.annotations"), sp_str_c(account)), "%s", "");
	if (sp_kv_is(obj, "type", "kubernetes.io/dockercfg"))
		docker_validate(c, data, ".dockercfg");
	if (sp_kv_is(obj, "type", "kubernetes.io/dockerconfigjson"))
		docker_validate(c, data, ".dockerconfigjson");
	if (sp_kv_is(obj, "type", "kubernetes.io/basic-auth") && !sp_kv_has(data, "username") &&
	    !sp_kv_has(data, "password")) {
		sp_v_required(v, SP_AT_KEY(path, SP_STR("username")), "%s", "");
		sp_v_required(v, SP_AT_KEY(path, SP_STR("password")), "%s", "");
	}
	if (sp_kv_is(obj, "type", "kubernetes.io/ssh-auth") && sp_kv_str(data, "ssh-privatekey").len == 0)
		sp_v_required(v, SP_AT_KEY(path, SP_STR("ssh-privatekey")), "%s", "");
	if (!sp_kv_is(obj, "type", "kubernetes.io/tls"))
		return;
	if (!sp_kv_has(data, "tls.crt"))
		sp_v_required(v, SP_AT_KEY(path, SP_STR("tls.crt")), "%s", "");
	if (!sp_kv_has(data, "tls.key"))
		sp_v_required(v, SP_AT_KEY(path, SP_STR("tls.key")), "%s", "");
}

static void secret_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	if (keys_validate(c->errors, SP_PATH("data"), sp_kv_map(obj, "data"), true) > DATA_BYTES_MAX)
		sp_v_too_long(c->errors, SP_PATH("data"), (int64_t)DATA_BYTES_MAX);
	secret_type_validate(c, obj);
}

static void secret_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const members[] = {"data"};
	sp_meta_validate_update(c, obj, old);
	sp_v_immutable(c->errors, SP_PATH("type"), sp_kv_get(obj, "type"), sp_kv_get(old, "type"));
	immutable_kept(c->errors, obj, old, members, SP_LEN(members));
	secret_validate(c, obj);
}

/* stringData is written over data and never read back. U: pkg/apis/core/v1/conversion.go. */
static void secret_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *texts = sp_kv_map(obj, "stringData");
	SP_KV_EACH_MEMBER (key, val, i, texts) {
		SP_AUTO_BUF encoded;
		sp_buf_init(&encoded, c->arena->limit_bytes);
		yyjson_mut_val *data = sp_kv_need_obj(c->doc, obj, "data");
		SP_KIND_NEED(c,
			     data != NULL &&
				     sp_base64_append(&encoded, sp_jmut_str(val).ptr, sp_jmut_str(val).len) ==
					     SP_OK &&
				     sp_jmut_set_str(c->doc, data, sp_jmut_str(key), sp_buf_view(&encoded)));
	}
	sp_kv_drop(obj, "stringData");
}

static yyjson_mut_val *secret_data_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_i64(c, (int64_t)sp_kv_len(sp_kv_get(obj, "data")));
}

static const sp_cell secret_cells[] = {{SP_STR_INIT("Data"), secret_data_cell}};
static const sp_selectable secret_selectable[] = {{SP_STR_INIT("type"), NULL}};

const sp_kind_hooks sp_hooks_secret = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.defaults = secret_defaults,
	.validate = secret_validate,
	.validate_update = secret_validate_update,
	.selectable = secret_selectable,
	.n_selectable = SP_LEN(secret_selectable),
	.cells = secret_cells,
	.n_cells = SP_LEN(secret_cells),
};
