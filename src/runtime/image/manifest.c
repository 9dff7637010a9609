/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/manifest.h"

#include "base/json.h"
#include "io/tls/sign.h"
#include "runtime/image/reference.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "a document of an image takes too much memory");
}

static sp_code parse_object(sp_arena *a, sp_str text, const char *what, yyjson_val **ret, sp_err *err)
{
	if (text.len > IMAGE_DOCUMENT_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "the %s has %zu bytes, at most %zu are allowed", what,
			       text.len, IMAGE_DOCUMENT_BYTES);
	sp_code code = sp_json_parse(a, text, ret, err);
	if (code == SP_EINVAL)
		return sp_fail(err, SP_EPROTO, "the %s is no JSON", what);
	SP_TRY(code);
	return yyjson_is_obj(*ret) ? SP_OK : sp_fail(err, SP_EPROTO, "the %s is no JSON object", what);
}

static yyjson_val *member(yyjson_val *object, const char *key)
{
	return sp_json_last(object, sp_str_c(key));
}

static sp_str text_of(yyjson_val *object, const char *key)
{
	return sp_json_str(member(object, key));
}

/* ---- index and manifest ---- */

static sp_code parse_descriptor(yyjson_val *v, image_descriptor *ret, sp_err *err)
{
	yyjson_val *size = member(v, "size"), *platform = member(v, "platform"),
		   *notes = member(v, "annotations");
	ret->media_type = text_of(v, "mediaType");
	ret->digest = text_of(v, "digest");
	if (!image_is_digest(ret->digest))
		return sp_fail(err, SP_EPROTO, "a descriptor's digest is '" SP_FMT "'", SP_ARG(ret->digest));
	if (!yyjson_is_uint(size) || yyjson_get_uint(size) > INT64_MAX)
		return sp_fail(err, SP_EPROTO, "the descriptor of " SP_FMT " has no size",
			       SP_ARG(ret->digest));
	ret->size_bytes = yyjson_get_uint(size);
	ret->platform = (image_platform){text_of(platform, "os"), text_of(platform, "architecture"),
					 text_of(platform, "variant")};
	ret->ref_name = text_of(notes, "org.opencontainers.image.ref.name");
	ret->full_name = text_of(notes, "io.containerd.image.name");
	return SP_OK;
}

static sp_code parse_descriptors(sp_arena *a, yyjson_val *list, size_t max, const char *what,
				 const image_descriptor **ret, size_t *ret_n, sp_err *err)
{
	size_t n = yyjson_arr_size(list), i, count;
	yyjson_val *v;
	if (!yyjson_is_arr(list))
		return sp_fail(err, SP_EPROTO, "its %s are no list", what);
	if (n > max)
		return sp_fail(err, SP_ETOOLARGE, "%zu %s, at most %zu are allowed", n, what, max);
	image_descriptor *items = sp_try_new(a, image_descriptor, n + 1);
	if (items == NULL)
		return no_room(err);
	yyjson_arr_foreach(list, i, count, v) SP_TRY(parse_descriptor(v, &items[i], err));
	*ret = items;
	*ret_n = n;
	return SP_OK;
}

/* Images' layers, whatever compresses them; not those of artifacts, and none that are encrypted. */
static bool is_layer(sp_str type)
{
	static const sp_str kinds[] = {
		SP_STR_INIT("application/vnd.oci.image.layer.v1.tar"),
		SP_STR_INIT("application/vnd.oci.image.layer.nondistributable.v1.tar"),
		SP_STR_INIT("application/vnd.docker.image.rootfs.diff.tar"),
		SP_STR_INIT("application/vnd.docker.image.rootfs.foreign.diff.tar"),
	};
	static const sp_str codings[] = {SP_STR_INIT(""), SP_STR_INIT("+gzip"), SP_STR_INIT("+zstd"),
					 SP_STR_INIT(".gzip"), SP_STR_INIT(".zstd")};
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		sp_str rest = type;
		if (!sp_str_take(&rest, kinds[i]))
			continue;
		for (size_t k = 0; k < SP_LEN(codings); k++) {
			if (sp_str_eq(rest, codings[k]))
				return true;
		}
	}
	return false;
}

static sp_code parse_manifest(sp_arena *a, yyjson_val *root, image_document *ret, sp_err *err)
{
	ret->kind = IMAGE_DOCUMENT_MANIFEST;
	if (!yyjson_is_obj(member(root, "config")))
		return sp_fail(err, SP_EUNSUPPORTED,
			       "the manifest has no configuration (schema 1, or no image)");
	SP_TRY(parse_descriptor(member(root, "config"), &ret->config, err));
	SP_TRY(parse_descriptors(a, member(root, "layers"), IMAGE_LAYERS_MAX, "layers", &ret->layers,
				 &ret->n_layers, err));
	for (size_t i = 0; i < ret->n_layers; i++) {
		if (!is_layer(ret->layers[i].media_type))
			return sp_fail(err, SP_EUNSUPPORTED, "a layer of type '" SP_FMT "'",
				       SP_ARG(ret->layers[i].media_type));
	}
	return SP_OK;
}

/* Without parameters: "type; charset=utf-8". */
static sp_str bare_type(sp_str type)
{
	sp_str head, rest = type;
	return sp_str_trim(sp_str_cut(&rest, ';', &head) ? head : type);
}

static bool is_known_type(sp_str type, bool *ret_index)
{
	static const struct {
		sp_str type;
		bool index;
	} types[] = {
		{SP_STR_INIT(IMAGE_TYPE_OCI_INDEX), true},
		{SP_STR_INIT(IMAGE_TYPE_OCI_MANIFEST), false},
		{SP_STR_INIT(IMAGE_TYPE_DOCKER_INDEX), true},
		{SP_STR_INIT(IMAGE_TYPE_DOCKER_MANIFEST), false},
	};
	for (size_t i = 0; i < SP_LEN(types); i++) {
		if (sp_str_eq(types[i].type, type)) {
			*ret_index = types[i].index;
			return true;
		}
	}
	return false;
}

/*
 * One text must not be read as one thing here and another there (CVE-2021-41190): what it says of itself,
 * what it was announced as and what it holds have to agree.
 */
static sp_code check_type(yyjson_val *root, sp_str announced, image_document *ret, bool *ret_index,
			  sp_err *err)
{
	bool has_index = member(root, "manifests") != NULL, index, known;
	sp_str own = text_of(root, "mediaType");
	announced = bare_type(announced);
	if (has_index && (member(root, "layers") != NULL || member(root, "config") != NULL))
		return sp_fail(err, SP_EPROTO, "it is an index and a manifest at once");
	if (own.len > 0 && is_known_type(announced, &index) && !sp_str_eq(own, announced))
		return sp_fail(err, SP_EPROTO, "it was announced as '" SP_FMT "' and says it is '" SP_FMT "'",
			       SP_ARG(announced), SP_ARG(own));
	ret->media_type = own.len > 0 ? own : announced;
	known = is_known_type(ret->media_type, &index);
	if (own.len > 0 && !known)
		return sp_fail(err, SP_EUNSUPPORTED, "a document of type '" SP_FMT "'", SP_ARG(own));
	if (known && index != has_index)
		return sp_fail(err, SP_EPROTO, "it is not what its type '" SP_FMT "' says",
			       SP_ARG(ret->media_type));
	if (!known)
		ret->media_type = has_index ? SP_STR(IMAGE_TYPE_OCI_INDEX) : SP_STR(IMAGE_TYPE_OCI_MANIFEST);
	*ret_index = has_index;
	return SP_OK;
}

static sp_code parse_document(sp_arena *a, sp_str text, sp_str media_type, image_document *ret, sp_err *err)
{
	yyjson_val *root;
	bool index;
	SP_TRY(parse_object(a, text, "manifest", &root, err));
	if (yyjson_get_int(member(root, "schemaVersion")) == 1)
		return sp_fail(err, SP_EUNSUPPORTED, "a manifest of docker's schema 1");
	SP_TRY(check_type(root, media_type, ret, &index, err));
	if (!index)
		return parse_manifest(a, root, ret, err);
	ret->kind = IMAGE_DOCUMENT_INDEX;
	return parse_descriptors(a, member(root, "manifests"), IMAGE_INDEX_MAX, "manifests", &ret->entries,
				 &ret->n_entries, err);
}

sp_code image_document_parse(sp_arena *a, sp_str text, sp_str media_type, image_document *ret, sp_err *err)
{
	image_document d = {.media_type = {NULL, 0}};
	SP_TRY(parse_document(a, text, media_type, &d, err));
	*ret = d;
	return SP_OK;
}

/* ---- configuration ---- */

static sp_code strings(sp_arena *a, yyjson_val *list, const char *what, sp_strs *ret, sp_err *err)
{
	size_t n = yyjson_arr_size(list), i, count;
	yyjson_val *v;
	*ret = (sp_strs){NULL, 0};
	if (list == NULL || yyjson_is_null(list))
		return SP_OK;
	if (!yyjson_is_arr(list))
		return sp_fail(err, SP_EPROTO, "the configuration's %s is no list", what);
	sp_str *items = sp_try_new(a, sp_str, n + 1);
	if (items == NULL)
		return no_room(err);
	yyjson_arr_foreach(list, i, count, v)
	{
		if (!yyjson_is_str(v) || sp_str_index(sp_json_str(v), '\0') >= 0)
			return sp_fail(err, SP_EPROTO, "the configuration's %s is no list of texts", what);
		items[i] = sp_json_str(v);
	}
	*ret = (sp_strs){items, n};
	return SP_OK;
}

/* The keys of an object: {"80/tcp": {}}. */
static sp_code keys(sp_arena *a, yyjson_val *object, const char *what, sp_strs *ret, sp_err *err)
{
	size_t i, count;
	yyjson_val *k, *v;
	*ret = (sp_strs){NULL, 0};
	if (object == NULL || yyjson_is_null(object))
		return SP_OK;
	if (!yyjson_is_obj(object))
		return sp_fail(err, SP_EPROTO, "the configuration's %s is no object", what);
	sp_str *items = sp_try_new(a, sp_str, yyjson_obj_size(object) + 1);
	if (items == NULL)
		return no_room(err);
	yyjson_obj_foreach(object, i, count, k, v) items[i] = sp_json_str(k);
	*ret = (sp_strs){items, yyjson_obj_size(object)};
	return SP_OK;
}

static sp_code labels(sp_arena *a, yyjson_val *object, image_config *ret, sp_err *err)
{
	size_t i, count;
	yyjson_val *k, *v;
	if (!yyjson_is_obj(object))
		return SP_OK;
	image_label *items = sp_try_new(a, image_label, yyjson_obj_size(object) + 1);
	if (items == NULL)
		return no_room(err);
	yyjson_obj_foreach(object, i, count, k, v) items[i] = (image_label){sp_json_str(k), sp_json_str(v)};
	ret->labels = items;
	ret->n_labels = yyjson_obj_size(object);
	return SP_OK;
}

static sp_code diff_ids(sp_arena *a, yyjson_val *root, sp_strs *ret, sp_err *err)
{
	SP_TRY(strings(a, member(member(root, "rootfs"), "diff_ids"), "rootfs.diff_ids", ret, err));
	if (ret->n > IMAGE_LAYERS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "%zu layers, at most %u are allowed", ret->n,
			       IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < ret->n; i++) {
		if (!image_is_digest(ret->items[i]))
			return sp_fail(err, SP_EPROTO, "a diff id is '" SP_FMT "'", SP_ARG(ret->items[i]));
	}
	return SP_OK;
}

sp_code image_config_parse(sp_arena *a, sp_str text, image_config *ret, sp_err *err)
{
	yyjson_val *root;
	SP_TRY(parse_object(a, text, "configuration", &root, err));
	yyjson_val *inner = member(root, "config");
	image_config c = {
		.architecture = text_of(root, "architecture"),
		.os = text_of(root, "os"),
		.variant = text_of(root, "variant"),
		.created = text_of(root, "created"),
		.user = text_of(inner, "User"),
		.working_dir = text_of(inner, "WorkingDir"),
		.stop_signal = text_of(inner, "StopSignal"),
	};
	if (!yyjson_is_obj(member(root, "rootfs")))
		return sp_fail(err, SP_EPROTO, "the configuration has no rootfs");
	SP_TRY(diff_ids(a, root, &c.diff_ids, err));
	SP_TRY(strings(a, member(inner, "Env"), "Env", &c.env, err));
	SP_TRY(strings(a, member(inner, "Entrypoint"), "Entrypoint", &c.entrypoint, err));
	SP_TRY(strings(a, member(inner, "Cmd"), "Cmd", &c.cmd, err));
	SP_TRY(keys(a, member(inner, "Volumes"), "Volumes", &c.volumes, err));
	SP_TRY(keys(a, member(inner, "ExposedPorts"), "ExposedPorts", &c.exposed_ports, err));
	SP_TRY(labels(a, member(inner, "Labels"), &c, err));
	*ret = c;
	return SP_OK;
}

/* ---- platforms ---- */

#if defined(__x86_64__)
#define OWN_ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE "arm64"
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCHITECTURE "riscv64"
#else
#error "the name that images use for this machine is not known"
#endif

image_platform image_platform_or_own(const image_platform *want)
{
	image_platform p = {SP_STR("linux"), SP_STR(OWN_ARCHITECTURE), {NULL, 0}};
	if (want->os.len > 0)
		p.os = want->os;
	if (want->architecture.len > 0)
		p.architecture = want->architecture;
	p.variant = want->variant;
	return p;
}

/* How well a variant fits: 0 not at all. arm64 without one is v8; arm runs lower versions, amd64 wants the
 * plain one. */
static unsigned fitness(const image_platform *have, const image_platform *want)
{
	sp_str h = have->variant, w = want->variant;
	bool arm64 = sp_str_eq(want->architecture, SP_STR("arm64"));
	if (!sp_str_eq(have->os, want->os) || !sp_str_eq(have->architecture, want->architecture))
		return 0;
	if (arm64 && h.len == 0)
		h = SP_STR("v8");
	if (arm64 && w.len == 0)
		w = SP_STR("v8");
	if (sp_str_eq(h, w))
		return 100;
	if (w.len == 0) /* whatever runs: the lowest version */
		return h.len == 2 ? (unsigned)('9' + 1 - SP_MIN(h.ptr[1], '9')) : 1;
	if (h.len == 0)
		return 1;
	if (h.len == 2 && w.len == 2 && h.ptr[0] == 'v' && w.ptr[0] == 'v' && h.ptr[1] < w.ptr[1])
		return 2 + (unsigned)SP_MAX(h.ptr[1] - '0', 0);
	return 0;
}

const image_descriptor *image_index_pick(const image_document *index, const image_platform *want)
{
	const image_descriptor *best = NULL;
	unsigned best_fit = 0;
	for (size_t i = 0; i < index->n_entries; i++) {
		unsigned fit = fitness(&index->entries[i].platform, want);
		if (fit > best_fit) {
			best = &index->entries[i];
			best_fit = fit;
		}
	}
	/* An index of one image that does not say for what: made by hand. */
	if (best == NULL && index->n_entries == 1 && index->entries[0].platform.os.len == 0)
		best = &index->entries[0];
	return best;
}

/* ---- chain ids ---- */

static sp_str hex_digest(sp_arena *a, sp_str in)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[32];
	char text[IMAGE_DIGEST_BYTES] = "sha256:";
	sp_sha256(in, sum);
	for (size_t i = 0; i < sizeof sum; i++) {
		text[7 + 2 * i] = digits[sum[i] >> 4];
		text[8 + 2 * i] = digits[sum[i] & 15];
	}
	return sp_arena_try_dup(a, (sp_str){text, sizeof text});
}

sp_code image_chain_ids(sp_arena *a, const sp_strs *ids, sp_strs *ret, sp_err *err)
{
	sp_str *items = sp_try_new(a, sp_str, ids->n + 1);
	for (size_t i = 0; items != NULL && i < ids->n; i++) {
		sp_str pair = ids->items[i];
		if (i > 0) {
			pair = SP_CONCAT(a, items[i - 1], SP_STR(" "), ids->items[i]);
			pair = pair.ptr == NULL ? pair : hex_digest(a, pair);
		}
		if (pair.ptr == NULL)
			return no_room(err);
		items[i] = pair;
	}
	if (items == NULL)
		return no_room(err);
	*ret = (sp_strs){items, ids->n};
	return SP_OK;
}
