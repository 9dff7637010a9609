/* SPDX-License-Identifier: Apache-2.0 */
#include "node/manifest.h"

#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/kinds/kinds.h"
#include "kube/kinds/values.h"

__extension__ typedef unsigned __int128 wide;

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for a static pod");
}

/* ---- its hash ---- */

/* FNV-1a, 128 bits. */
static wide hash_more(wide h, sp_str s)
{
	const wide prime = (wide)1 << 88 | 0x13b;
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * prime;
	return h;
}

static sp_str hash_of(sp_arena *a, sp_str json, const node_manifest_source *from)
{
	wide h = (wide)UINT64_C(0x6c62272e07bb0142) << 64 | UINT64_C(0x62b821756295c58d);
	h = hash_more(h, json);
	h = hash_more(h, SP_STR("host:"));
	h = hash_more(h, from->node_name);
	h = hash_more(h, SP_STR("file:"));
	h = hash_more(h, from->path);
	return sp_arena_printf(a, "%016llx%016llx", (unsigned long long)(h >> 64), (unsigned long long)h);
}

/* ---- what it may not refer to ---- */

typedef struct refusal {
	const char *member, *words;
} refusal;

static const char *first_of(yyjson_mut_val *v, const refusal *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_kv_has(v, table[i].member))
			return table[i].words;
	}
	return NULL;
}

/* Environments name config maps and secrets. */
static bool env_names(yyjson_mut_val *container, const char *from, const char *key)
{
	yyjson_mut_val *e;
	size_t i, n;
	yyjson_mut_arr_foreach(sp_kv_list(container, "envFrom"), i, n, e)
	{
		if (sp_kv_has(e, from))
			return true;
	}
	yyjson_mut_arr_foreach(sp_kv_list(container, "env"), i, n, e)
	{
		if (sp_kv_path(e, "valueFrom", key, NULL) != NULL)
			return true;
	}
	return false;
}

static bool any_env_names(yyjson_mut_val *spec, const char *from, const char *key)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	yyjson_mut_val *c;
	size_t i, n;
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		yyjson_mut_arr_foreach(sp_kv_list(spec, lists[k]), i, n, c)
		{
			if (env_names(c, from, key))
				return true;
		}
	}
	return false;
}

/* Some volume, or a source of a projected one, has that member. */
static bool any_volume_has(yyjson_mut_val *spec, const char *member)
{
	yyjson_mut_val *v, *s;
	size_t i, n, k, m;
	yyjson_mut_arr_foreach(sp_kv_list(spec, "volumes"), i, n, v)
	{
		if (sp_kv_has(v, member))
			return true;
		yyjson_mut_arr_foreach(sp_kv_list(sp_kv_get(v, "projected"), "sources"), k, m, s)
		{
			if (sp_kv_has(s, member))
				return true;
		}
	}
	return false;
}

static bool any_secret_of_volume(yyjson_mut_val *spec)
{
	static const char *const kinds[] = {"cephfs",  "cinder", "flexVolume", "rbd",
					    "scaleIO", "iscsi",  "storageos"};
	yyjson_mut_val *v;
	size_t i, n;
	yyjson_mut_arr_foreach(sp_kv_list(spec, "volumes"), i, n, v)
	{
		for (size_t k = 0; k < SP_LEN(kinds); k++) {
			if (sp_kv_path(v, kinds[k], "secretRef", NULL) != NULL)
				return true;
		}
		if (sp_kv_path(v, "csi", "nodePublishSecretRef", NULL) != NULL || sp_kv_has(v, "azureFile"))
			return true;
	}
	return any_volume_has(spec, "secret");
}

/* What of the API the pod refers to, or NULL. U: HasAPIObjectReference. */
static const char *refers_to(yyjson_mut_val *spec)
{
	static const refusal volumes[] = {
		{"csi", "csidrivers (via CSI volumes)"},
		{"glusterfs", "endpoints (via glusterFS volumes)"},
		{"persistentVolumeClaim", "persistentvolumeclaims"},
		{"ephemeral", "persistentvolumeclaims (via ephemeral volumes)"},
	};
	static const refusal sources[] = {
		{"serviceAccountToken", "serviceaccounts (via projected volumes)"},
		{"clusterTrustBundle", "clustertrustbundles"},
		{"podCertificate", "podcertificates"},
	};
	yyjson_mut_val *v, *s;
	size_t i, n, k, m;
	if (sp_kv_str(spec, "serviceAccountName").len != 0)
		return "serviceaccounts";
	if (sp_kv_len(sp_kv_list(spec, "imagePullSecrets")) > 0 ||
	    any_env_names(spec, "secretRef", "secretKeyRef") || any_secret_of_volume(spec))
		return "secrets";
	if (any_env_names(spec, "configMapRef", "configMapKeyRef") || any_volume_has(spec, "configMap"))
		return "configmaps";
	if (sp_kv_len(sp_kv_list(spec, "resourceClaims")) > 0)
		return "resourceclaims";
	yyjson_mut_arr_foreach(sp_kv_list(spec, "volumes"), i, n, v)
	{
		const char *words = first_of(v, volumes, SP_LEN(volumes));
		yyjson_mut_arr_foreach(sp_kv_list(sp_kv_get(v, "projected"), "sources"), k, m, s)
		{
			if (words == NULL)
				words = first_of(s, sources, SP_LEN(sources));
		}
		if (words != NULL)
			return words;
	}
	return NULL;
}

/* ---- what is put in ---- */

static bool is_exists(yyjson_mut_val *t)
{
	return sp_kv_is(t, "operator", "Exists") && sp_kv_is(t, "effect", "NoExecute") &&
	       sp_kv_str(t, "key").len == 0;
}

static bool tolerate(yyjson_mut_doc *doc, yyjson_mut_val *spec)
{
	yyjson_mut_val *list = sp_kv_need_list(doc, spec, "tolerations"), *t;
	size_t i, n;
	yyjson_mut_arr_foreach(list, i, n, t)
	{
		if (is_exists(t))
			return true;
	}
	t = yyjson_mut_obj(doc);
	return list != NULL && t != NULL && sp_kv_set_str(doc, t, "operator", SP_STR("Exists")) &&
	       sp_kv_set_str(doc, t, "effect", SP_STR("NoExecute")) && yyjson_mut_arr_append(list, t);
}

static bool place(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *pod, const node_manifest_source *from,
		  sp_str hash)
{
	yyjson_mut_val *meta = sp_kv_need_obj(doc, pod, "metadata"), *spec = sp_kv_need_obj(doc, pod, "spec"),
		       *notes;
	if (meta == NULL || spec == NULL || (notes = sp_kv_need_obj(doc, meta, "annotations")) == NULL)
		return false;
	sp_str uid = sp_kv_str(meta, "uid").len != 0 ? sp_kv_str(meta, "uid") : hash;
	sp_str name = sp_arena_printf(a, SP_FMT "-" SP_FMT, SP_ARG(sp_kv_str(meta, "name")),
				      SP_ARG(from->node_name));
	char seen[SP_TIME_TEXT_BYTES];
	sp_str when = {seen, sp_time_print(seen, from->now, 9)};
	if (name.ptr == NULL)
		return false;
	sp_kv_drop(meta, "resourceVersion");
	sp_kv_drop(meta, "deletionTimestamp");
	sp_kv_drop(meta, "deletionGracePeriodSeconds");
	sp_kv_drop(meta, "managedFields");
	return (sp_kv_str(meta, "namespace").len != 0 ||
		sp_kv_set_str(doc, meta, "namespace", SP_STR("default"))) &&
	       sp_kv_set_str(doc, meta, "name", name) && sp_kv_set_str(doc, meta, "uid", uid) &&
	       sp_kv_set_str(doc, spec, "nodeName", from->node_name) &&
	       sp_kv_set_str(doc, notes, NODE_NOTE_CONFIG_HASH, uid) &&
	       sp_kv_set_str(doc, notes, "kubernetes.io/config.source", SP_STR("file")) &&
	       sp_kv_set_str(doc, notes, "kubernetes.io/config.seen", when) && tolerate(doc, spec);
}

/* ---- reading ---- */

static sp_code json_of(sp_arena *a, yyjson_mut_val *v, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, NODE_MANIFEST_BYTES_MAX * 2);
	if (sp_json_write_mut(&out, v) != SP_OK)
		return no_room(err);
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

static sp_code decode(sp_arena *a, sp_str text, yyjson_mut_doc *doc, const sp_kind *kind,
		      yyjson_mut_val **ret, sp_err *err)
{
	yyjson_mut_val *tree = NULL;
	sp_str json = {NULL, 0}, version = {NULL, 0}, word = {NULL, 0};
	SP_TRY(sp_yaml_parse(a, text, doc, NULL, &tree, err));
	SP_TRY(json_of(a, tree, &json, err));
	SP_TRY(sp_decode_type_meta(a, json, &version, &word, err));
	if (word.len == 0)
		return sp_fail(err, SP_EINVAL, "Object 'Kind' is missing in '" SP_FMT "'", SP_ARG(json));
	if (!sp_str_eq(version, SP_STR("v1")) || !sp_str_eq(word, SP_STR("Pod")))
		return sp_fail(err, SP_EINVAL, "invalid pod: kind \"" SP_FMT "\" of version \"" SP_FMT "\"",
			       SP_ARG(word), SP_ARG(version));
	return sp_decode_json(a, kind->schema, json, doc, NULL, ret, err);
}

static sp_code check(sp_kind_ctx *ctx, yyjson_mut_val *pod, sp_err *err)
{
	if (sp_kind_before_create(ctx, pod) != SP_OK)
		return no_room(err);
	if (ctx->errors->n > 0)
		return sp_fail(err, SP_EINVAL, "invalid pod: " SP_FMT,
			       SP_ARG(sp_violations_text(ctx->arena, ctx->errors)));
	const char *what = refers_to(sp_kv_get(pod, "spec"));
	return what == NULL ? SP_OK : sp_fail(err, SP_EINVAL, "static pods may not reference %s", what);
}

sp_code node_manifest_read(sp_arena *a, sp_str text, const node_manifest_source *from, sp_str *ret,
			   sp_err *err)
{
	const sp_kind *kind = sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Pod"));
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *pod = NULL;
	sp_str json = {NULL, 0};
	sp_violations errors;
	sp_violations_init(&errors, a);
	sp_kind_ctx ctx = {.arena = a,
			   .doc = doc,
			   .kind = kind,
			   .errors = &errors,
			   .now = from->now,
			   .random = from->random,
			   .random_arg = from->random_arg};
	if (doc == NULL)
		return no_room(err);
	SP_TRY(decode(a, text, doc, kind, &pod, err));
	if (sp_kv_str(sp_kv_get(pod, "metadata"), "name").len == 0)
		return sp_fail(err, SP_EINVAL, "invalid pod: name is needed for the pod");
	SP_TRY(sp_default(doc, kind->schema, pod, err));
	if (sp_kind_defaults(&ctx, pod) != SP_OK)
		return no_room(err);
	SP_TRY(json_of(a, pod, &json, err));
	sp_str hash = hash_of(a, json, from);
	if (hash.ptr == NULL || !place(a, doc, pod, from, hash))
		return no_room(err);
	SP_TRY(check(&ctx, pod, err));
	return json_of(a, pod, ret, err);
}

/* ---- the mirror ---- */

sp_code node_manifest_mirror(sp_arena *a, sp_str pod, sp_str node_name, sp_str node_uid, sp_str *ret,
			     sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *tree, *meta, *notes, *owners, *owner;
	if (doc == NULL)
		return no_room(err);
	SP_TRY(sp_json_parse_mut(a, pod, doc, &tree, err));
	meta = sp_kv_get(tree, "metadata");
	notes = sp_kv_get(meta, "annotations");
	owners = yyjson_mut_arr(doc);
	owner = yyjson_mut_obj(doc);
	sp_str hash = sp_kv_str(notes, NODE_NOTE_CONFIG_HASH);
	if (hash.len == 0)
		return sp_fail(err, SP_EINVAL, "a static pod has no hash");
	if (owners == NULL || owner == NULL || !sp_kv_set_str(doc, notes, NODE_NOTE_CONFIG_MIRROR, hash) ||
	    !sp_kv_set_str(doc, owner, "apiVersion", SP_STR("v1")) ||
	    !sp_kv_set_str(doc, owner, "kind", SP_STR("Node")) ||
	    !sp_kv_set_str(doc, owner, "name", node_name) || !sp_kv_set_str(doc, owner, "uid", node_uid) ||
	    !sp_kv_set_bool(doc, owner, "controller", true) || !yyjson_mut_arr_append(owners, owner) ||
	    !sp_kv_set(doc, meta, "ownerReferences", owners))
		return no_room(err);
	return json_of(a, tree, ret, err);
}

sp_code node_manifest_with_status(sp_arena *a, sp_str pod, sp_str mirror, sp_str *ret, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *own, *other;
	if (doc == NULL)
		return no_room(err);
	SP_TRY(sp_json_parse_mut(a, pod, doc, &own, err));
	SP_TRY(sp_json_parse_mut(a, mirror, doc, &other, err));
	sp_str revision = sp_kv_str(sp_kv_get(other, "metadata"), "resourceVersion");
	yyjson_mut_val *status = sp_kv_get(other, "status");
	if (!sp_kv_set_str(doc, sp_kv_get(own, "metadata"), "resourceVersion", revision) ||
	    (status != NULL && !sp_kv_set(doc, own, "status", status)))
		return no_room(err);
	return json_of(a, own, ret, err);
}
