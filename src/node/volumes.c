/* SPDX-License-Identifier: Apache-2.0 */
#include "node/volumes.h"

#include "base/quantity.h"
#include "node/huge.h"

#define MODE_DEFAULT 0644u

typedef struct plan {
	const node_volume_input *in;
	sp_arena *arena;
	const node_pod *pod;
	int64_t fs_group, fs_user; /* -1: none */
	/* the volume being planned */
	node_volume *v;
	size_t cap_files;
} plan;

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for a volume");
}

sp_str node_pod_dir(sp_arena *a, sp_str root, sp_str uid)
{
	return SP_CONCAT(a, root, SP_STR("/pods/"), uid);
}

static sp_str plugin_dir(const plan *l, const char *plugin)
{
	return SP_CONCAT(l->arena, l->in->root, SP_STR("/pods/"), l->pod->v.uid,
			 SP_STR("/volumes/kubernetes.io~"), sp_str_c(plugin), SP_STR("/"), l->v->spec_name);
}
static sp_code own_dir(plan *l, const char *plugin, sp_err *err)
{
	l->v->dir = plugin_dir(l, plugin);
	return l->v->dir.ptr == NULL ? no_room(err) : SP_OK;
}

/* ---- files ---- */

static sp_code add_file(plan *l, sp_str path, sp_str content, uint32_t mode, sp_err *err)
{
	node_volume *v = l->v;
	SP_TRY(node_file_path_check(path, err));
	if (v->n_files == l->cap_files) {
		size_t cap = l->cap_files == 0 ? 8 : l->cap_files * 2;
		node_file *at = cap > NODE_FILES_MAX
					? NULL
					: sp_arena_try_grow(l->arena, v->files, l->cap_files * sizeof *at,
							    cap * sizeof *at);
		if (at == NULL)
			return no_room(err);
		v->files = at;
		l->cap_files = cap;
	}
	v->files[v->n_files++] =
		(node_file){.path = path, .content = content, .mode = mode, .uid = SP_POD_FILES_SAME};
	return SP_OK;
}

/* A file of several sources in one volume: the last one wins. */
static sp_code put_file(plan *l, sp_str path, sp_str content, uint32_t mode, sp_err *err)
{
	for (size_t i = 0; i < l->v->n_files; i++) {
		if (sp_str_eq(l->v->files[i].path, path)) {
			l->v->files[i].content = content;
			l->v->files[i].mode = mode;
			return SP_OK;
		}
	}
	return add_file(l, path, content, mode, err);
}

static uint32_t mode_of(yyjson_val *holder, const char *member, uint32_t otherwise)
{
	yyjson_val *v = sp_json_last(holder, sp_str_c(member));
	return yyjson_is_int(v) ? (uint32_t)yyjson_get_sint(v) & 0777u : otherwise;
}

/* The data of an object: texts, and base64 of secrets and binaryData. */
static sp_code data_value(plan *l, yyjson_val *object, bool is_secret, sp_str key, sp_str *ret,
			  bool *ret_found, sp_err *err)
{
	yyjson_val *text = sp_json_last(sp_view_at(object, "data"), key);
	yyjson_val *binary = sp_json_last(sp_view_at(object, "binaryData"), key);
	*ret_found = text != NULL || binary != NULL;
	if (binary != NULL || (is_secret && text != NULL))
		return node_base64_value(sp_json_str(binary != NULL ? binary : text), l->arena, ret, err);
	*ret = sp_json_str(text);
	return SP_OK;
}

static sp_code all_of(plan *l, yyjson_val *object, const char *member, bool is_secret, uint32_t mode,
		      sp_err *err)
{
	yyjson_val *data = sp_view_at(object, member), *key, *val;
	size_t i, n;
	if (data == NULL)
		return SP_OK;
	yyjson_obj_foreach(data, i, n, key, val)
	{
		sp_str content;
		bool found;
		SP_TRY(data_value(l, object, is_secret, sp_json_str(key), &content, &found, err));
		SP_TRY(put_file(l, sp_json_str(key), content, mode, err));
	}
	return SP_OK;
}

static sp_code items_of(plan *l, yyjson_val *object, yyjson_val *items, bool is_secret, bool optional,
			uint32_t mode, sp_err *err)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(items, i, n, item)
	{
		sp_str key = sp_view_str_at(item, "key"), content;
		bool found;
		SP_TRY(data_value(l, object, is_secret, key, &content, &found, err));
		if (!found && optional)
			continue;
		if (!found)
			return sp_fail(err, SP_ENOTFOUND, "references non-existent %s key: " SP_FMT,
				       is_secret ? "secret" : "config", SP_ARG(key));
		SP_TRY(put_file(l, sp_view_str_at(item, "path"), content, mode_of(item, "mode", mode), err));
	}
	return SP_OK;
}

/* The files of a config map or secret; `source` names it by `name_member`. */
static sp_code object_files(plan *l, node_ref_kind kind, yyjson_val *source, const char *name_member,
			    uint32_t mode, sp_err *err)
{
	sp_str name = sp_view_str_at(source, name_member), json;
	bool optional = yyjson_get_bool(sp_view_at(source, "optional")), is_secret = kind == NODE_REF_SECRET;
	yyjson_val *items = sp_view_at(source, "items"), *object = NULL;
	json = l->in->objects->get(l->in->objects->arg, kind, l->pod->v.ns, name);
	if (json.ptr == NULL && optional)
		return SP_OK;
	if (json.ptr == NULL)
		return sp_fail(err, SP_ENOTFOUND, SP_FMT " \"" SP_FMT "\" not found",
			       SP_ARG(node_ref_word(kind)), SP_ARG(name));
	SP_TRY(sp_json_parse(l->arena, json, &object, err));
	if (yyjson_arr_size(items) > 0)
		return items_of(l, object, items, is_secret, optional, mode, err);
	SP_TRY(all_of(l, object, "data", is_secret, mode, err));
	return all_of(l, object, "binaryData", is_secret, mode, err);
}

static sp_code downward_files(plan *l, yyjson_val *items, uint32_t mode, sp_err *err)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(items, i, n, item)
	{
		yyjson_val *field = sp_view_at(item, "fieldRef"),
			   *resource = sp_view_at(item, "resourceFieldRef");
		sp_str content = SP_STR("");
		if (field != NULL)
			SP_TRY(node_field(l->in->fields, sp_view_str_at(field, "fieldPath"), l->arena,
					  &content, err));
		else if (resource != NULL)
			SP_TRY(node_resource_field(l->in->fields, NULL, resource, l->arena, &content, err));
		SP_TRY(put_file(l, sp_view_str_at(item, "path"), content, mode_of(item, "mode", mode), err));
	}
	return SP_OK;
}

static sp_str token_of(const node_tokens *t, yyjson_val *source)
{
	yyjson_val *expires = sp_view_at(source, "expirationSeconds");
	int64_t expiration_s = yyjson_is_int(expires) ? yyjson_get_sint(expires) : 3600;
	return t->get(t->arg, sp_view_str_at(source, "audience"), expiration_s);
}

void node_volumes_want_tokens(const node_pod *p, const node_tokens *t)
{
	yyjson_val *source;
	size_t i, n;
	SP_VLIST_FOREACH(volume, p->v.volumes)
	{
		yyjson_arr_foreach(sp_view_at(volume, "projected.sources"), i, n, source)
		{
			yyjson_val *one = sp_view_at(source, "serviceAccountToken");
			if (one != NULL)
				(void)token_of(t, one);
		}
	}
}

static sp_code token_file(plan *l, yyjson_val *source, uint32_t mode, sp_err *err)
{
	sp_str token = token_of(l->in->tokens, source);
	if (token.ptr == NULL)
		return sp_fail(err, SP_EUNAVAILABLE, "failed to fetch token: not there yet");
	/* Readable by the container's user only, where that is known. U: projected.go collectData. */
	if (l->fs_user >= 0 || l->fs_group >= 0)
		mode = 0600;
	SP_TRY(put_file(l, sp_view_str_at(source, "path"), token, mode, err));
	if (l->fs_user >= 0)
		l->v->files[l->v->n_files - 1].uid = (uint32_t)l->fs_user;
	return SP_OK;
}

static sp_code projected_files(plan *l, yyjson_val *volume, sp_err *err)
{
	yyjson_val *source, *one;
	size_t i, n;
	uint32_t mode = mode_of(volume, "defaultMode", MODE_DEFAULT);
	yyjson_arr_foreach(sp_view_at(volume, "sources"), i, n, source)
	{
		if ((one = sp_view_at(source, "configMap")) != NULL)
			SP_TRY(object_files(l, NODE_REF_CONFIG_MAP, one, "name", mode, err));
		else if ((one = sp_view_at(source, "secret")) != NULL)
			SP_TRY(object_files(l, NODE_REF_SECRET, one, "name", mode, err));
		else if ((one = sp_view_at(source, "downwardAPI")) != NULL)
			SP_TRY(downward_files(l, sp_view_at(one, "items"), mode, err));
		else if ((one = sp_view_at(source, "serviceAccountToken")) != NULL)
			SP_TRY(token_file(l, one, mode, err));
		else
			return sp_fail(err, SP_EUNSUPPORTED,
				       "a source of the projected volume is not supported");
	}
	return SP_OK;
}

/* ---- kinds of volumes ---- */

static sp_code plan_empty_dir(plan *l, yyjson_val *source, sp_err *err)
{
	sp_str medium = sp_view_str_at(source, "medium"), limit = sp_view_str_at(source, "sizeLimit");
	sp_qty q;
	l->v->kind = medium.len != 0 ? NODE_VOLUME_MEMORY : NODE_VOLUME_EMPTY;
	if (medium.len != 0 && !sp_str_eq(medium, SP_STR("Memory"))) {
		SP_TRY(node_huge_medium(l->pod, medium, &l->v->page_bytes, err));
		return own_dir(l, "empty-dir", err);
	}
	if (limit.len != 0 && sp_qty_parse(limit, &q, NULL) == SP_OK && sp_qty_value(&q) > 0)
		l->v->size_bytes = (uint64_t)sp_qty_value(&q);
	if (l->v->kind == NODE_VOLUME_MEMORY && l->v->size_bytes == 0 && l->in->fields->memory_bytes > 0)
		l->v->size_bytes = (uint64_t)l->in->fields->memory_bytes;
	return own_dir(l, "empty-dir", err);
}

static sp_code host_path_of(plan *l, sp_str path, sp_str type, sp_err *err)
{
	static const struct {
		sp_str name;
		sp_host_path_type type;
	} types[] = {
		{SP_STR_INIT(""), SP_HOST_PATH_ANY},
		{SP_STR_INIT("DirectoryOrCreate"), SP_HOST_PATH_DIR_OR_CREATE},
		{SP_STR_INIT("Directory"), SP_HOST_PATH_DIR},
		{SP_STR_INIT("FileOrCreate"), SP_HOST_PATH_FILE_OR_CREATE},
		{SP_STR_INIT("File"), SP_HOST_PATH_FILE},
		{SP_STR_INIT("Socket"), SP_HOST_PATH_SOCKET},
		{SP_STR_INIT("CharDevice"), SP_HOST_PATH_CHAR_DEVICE},
		{SP_STR_INIT("BlockDevice"), SP_HOST_PATH_BLOCK_DEVICE},
	};
	l->v->kind = NODE_VOLUME_HOST_PATH;
	l->v->dir = path;
	for (size_t i = 0; i < SP_LEN(types); i++) {
		if (sp_str_eq(type, types[i].name)) {
			l->v->type = types[i].type;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_EINVAL, "hostPath type '" SP_FMT "' is not known", SP_ARG(type));
}
static sp_code plan_host_path(plan *l, yyjson_val *source, sp_err *err)
{
	return host_path_of(l, sp_view_str_at(source, "path"), sp_view_str_at(source, "type"), err);
}

static sp_code plan_config_map(plan *l, yyjson_val *source, sp_err *err)
{
	l->v->kind = NODE_VOLUME_FILES;
	SP_TRY(own_dir(l, "configmap", err));
	return object_files(l, NODE_REF_CONFIG_MAP, source, "name",
			    mode_of(source, "defaultMode", MODE_DEFAULT), err);
}
static sp_code plan_secret(plan *l, yyjson_val *source, sp_err *err)
{
	l->v->kind = NODE_VOLUME_FILES;
	l->v->in_memory = true;
	SP_TRY(own_dir(l, "secret", err));
	return object_files(l, NODE_REF_SECRET, source, "secretName",
			    mode_of(source, "defaultMode", MODE_DEFAULT), err);
}
static sp_code plan_downward(plan *l, yyjson_val *source, sp_err *err)
{
	l->v->kind = NODE_VOLUME_FILES;
	SP_TRY(own_dir(l, "downward-api", err));
	return downward_files(l, sp_view_at(source, "items"), mode_of(source, "defaultMode", MODE_DEFAULT),
			      err);
}
static sp_code plan_projected(plan *l, yyjson_val *source, sp_err *err)
{
	l->v->kind = NODE_VOLUME_FILES;
	l->v->in_memory = true;
	SP_TRY(own_dir(l, "projected", err));
	return projected_files(l, source, err);
}
/* U: pkg/volume/csi; there are no drivers yet. */
static sp_code no_driver(sp_str driver, sp_err *err)
{
	return sp_fail(err, SP_EUNSUPPORTED,
		       "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name " SP_FMT
		       " not found in the list of registered CSI drivers",
		       SP_ARG(driver));
}
static sp_code plan_csi(plan *l, yyjson_val *source, sp_err *err)
{
	(void)l;
	return no_driver(sp_view_str_at(source, "driver"), err);
}
static sp_code plan_local(plan *l, sp_err *err)
{
	l->v->kind = NODE_VOLUME_LOCAL;
	l->v->on_root_mismatch = sp_str_eq(sp_view_str_at(l->pod->v.security, "fsGroupChangePolicy"),
					   SP_STR("OnRootMismatch"));
	l->v->owned_mark = plugin_dir(l, "local-volume");
	return l->v->owned_mark.ptr == NULL ? no_room(err) : SP_OK;
}
static sp_code plan_claim(plan *l, yyjson_val *source, sp_err *err)
{
	const node_claim_found *f = l->in->claim == NULL ? NULL : l->in->claim(l->in->arg, l->v->name);
	(void)source;
	l->v->kind = NODE_VOLUME_NONE;
	if (f == NULL) /* no container uses it, or the caller would know it */
		return SP_OK;
	l->v->spec_name = f->volume;
	l->v->dir = f->path;
	l->v->plain_read_only = f->read_only;
	switch (f->kind) {
	case NODE_CLAIM_HOST_PATH:
		return host_path_of(l, f->path, f->type, err);
	case NODE_CLAIM_LOCAL:
		return plan_local(l, err);
	case NODE_CLAIM_DIRECTORY:
		l->v->kind = NODE_VOLUME_DIRECTORY;
		return SP_OK;
	case NODE_CLAIM_CSI:
		return no_driver(f->driver, err);
	case NODE_CLAIM_OTHER:
		break;
	}
	return sp_fail(err, SP_EUNSUPPORTED, "no volume plugin matched");
}
static sp_code plan_image(plan *l, yyjson_val *source, sp_err *err)
{
	(void)err;
	l->v->kind = NODE_VOLUME_IMAGE;
	l->v->image = sp_view_str_at(source, "reference");
	l->v->pull_policy = sp_view_str_at(source, "pullPolicy");
	return SP_OK;
}

static const struct {
	const char *member;
	sp_code (*plan)(plan *l, yyjson_val *source, sp_err *err);
} kinds[] = {
	{"emptyDir", plan_empty_dir},
	{"hostPath", plan_host_path},
	{"configMap", plan_config_map},
	{"secret", plan_secret},
	{"projected", plan_projected},
	{"downwardAPI", plan_downward},
	{"persistentVolumeClaim", plan_claim},
	{"ephemeral", plan_claim},
	{"csi", plan_csi},
	{"image", plan_image},
};

static sp_code plan_volume(plan *l, yyjson_val *volume, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		yyjson_val *source = sp_json_last(volume, sp_str_c(kinds[i].member));
		if (source != NULL)
			return kinds[i].plan(l, source, err);
	}
	return sp_fail(err, SP_EUNSUPPORTED, "no volume plugin matched");
}

static int64_t int_at(yyjson_val *holder, const char *path)
{
	yyjson_val *v = sp_view_at(holder, path);
	return yyjson_is_int(v) ? yyjson_get_sint(v) : -1;
}

/* The one user of all containers, -1 when they differ or it is not said. */
static int64_t one_user(const node_pod *p)
{
	int64_t user = -1, of_pod = int_at(p->v.security, "runAsUser");
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		int64_t own = int_at(p->containers[i].v.security, "runAsUser");
		int64_t now = own >= 0 ? own : of_pod;
		if (now < 0 || (i > 0 && now != user))
			return -1;
		user = now;
	}
	return user;
}

sp_code node_volumes_plan(const node_volume_input *in, sp_arena *a, node_volumes *ret, sp_err *err)
{
	const node_pod *p = in->fields->pod;
	plan l = {.in = in,
		  .arena = a,
		  .pod = p,
		  .fs_group = int_at(p->v.security, "fsGroup"),
		  .fs_user = one_user(p)};
	*ret = (node_volumes){.fs_group = l.fs_group};
	ret->at = sp_try_new(a, node_volume, p->v.volumes.n + 1);
	if (ret->at == NULL)
		return no_room(err);
	SP_VLIST_FOREACH(volume, p->v.volumes)
	{
		l.v = &ret->at[ret->n++];
		l.v->name = l.v->spec_name = sp_view_str_at(volume, "name");
		l.cap_files = 0;
		sp_code code = plan_volume(&l, volume, err);
		if (code != SP_OK) {
			ret->failed = l.v;
			return code;
		}
	}
	return SP_OK;
}

const node_volume *node_volumes_find(const node_volumes *v, sp_str name)
{
	for (size_t i = 0; i < v->n; i++) {
		if (sp_str_eq(v->at[i].name, name))
			return &v->at[i];
	}
	return NULL;
}

/* ---- making ---- */

/* What a group may do with files that are its own: everything but run them. U: SetVolumeOwnership. */
static void open_to_group(const node_volume *v)
{
	for (size_t i = 0; i < v->n_files; i++)
		v->files[i].mode |= 0440;
}

/* Under another name until all is right: what has its name is the pods'. */
static sp_code make_empty(sp_pod_files *f, sp_str dir, uint32_t mode, sp_pod_file_owner owner, sp_err *err)
{
	SP_AUTO_BUF name;
	sp_buf_init(&name, 8192);
	if (f->check(f, dir, SP_HOST_PATH_DIR, NULL) == SP_OK)
		return SP_OK;
	(void)sp_buf_str(&name, dir);
	(void)sp_buf_str(&name, SP_STR("~new"));
	SP_TRY(sp_buf_code(&name));
	SP_TRY(f->make_dir(f, sp_buf_view(&name), mode, owner, err));
	return f->rename(f, sp_buf_view(&name), dir, err);
}

/* U: pkg/volume/local/local.go SetUpAt: the first pod that has it sets the owner. */
static sp_code own_local(sp_pod_files *f, const node_volume *v, int64_t fs_group, sp_err *err)
{
	const sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	const sp_pod_tree_owner owner = {.gid = (uint32_t)fs_group, .on_root_mismatch = v->on_root_mismatch};
	if (fs_group < 0 || v->plain_read_only || f->check(f, v->owned_mark, SP_HOST_PATH_DIR, NULL) == SP_OK)
		return SP_OK;
	if (!v->is_shared)
		SP_TRY(f->own_tree(f, v->dir, &owner, err));
	return f->make_dir(f, v->owned_mark, 0750, same, err);
}

static sp_code make_files(sp_world *w, sp_pod_files *f, const node_volume *v, const sp_pod_mount *memory,
			  sp_str version, sp_err *err)
{
	const sp_pod_file_owner owner = {.uid = SP_POD_FILES_SAME, .gid = memory->gid};
	if (v->in_memory)
		SP_TRY(f->mount_memory(f, v->dir, memory, err));
	else
		SP_TRY(f->make_dir(f, v->dir, memory->mode, owner, err));
	if (memory->gid != SP_POD_FILES_SAME)
		open_to_group(v);
	return node_atomic_write(w, f, v->dir, version, v->files, v->n_files, memory->gid, NULL, err);
}

sp_code node_volume_make(sp_world *w, sp_pod_files *f, const node_volume *v, int64_t fs_group, sp_str version,
			 sp_err *err)
{
	const sp_pod_mount root = {.size_bytes = v->size_bytes,
				   .page_bytes = v->page_bytes,
				   .mode = fs_group >= 0 ? 02777 : 0777,
				   .gid = fs_group >= 0 ? (uint32_t)fs_group : SP_POD_FILES_SAME};
	const sp_pod_file_owner owner = {.uid = SP_POD_FILES_SAME, .gid = root.gid},
				same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	switch (v->kind) {
	case NODE_VOLUME_EMPTY:
		return make_empty(f, v->dir, root.mode, owner, err);
	case NODE_VOLUME_MEMORY:
		return f->mount_memory(f, v->dir, &root, err);
	case NODE_VOLUME_HOST_PATH:
		return f->check(f, v->dir, v->type, err);
	case NODE_VOLUME_LOCAL:
		if (f->check(f, v->dir, SP_HOST_PATH_DIR, NULL) != SP_OK)
			return sp_fail(err, SP_ENOTFOUND, "path \"" SP_FMT "\" does not exist",
				       SP_ARG(v->dir));
		return own_local(f, v, fs_group, err);
	case NODE_VOLUME_DIRECTORY: /* what a pod made of its mode stays */
		if (f->check(f, v->dir, SP_HOST_PATH_DIR, NULL) == SP_OK)
			return SP_OK;
		return f->make_dir(f, v->dir, 0777, same, err);
	case NODE_VOLUME_FILES:
		return make_files(w, f, v, &root, version, err);
	case NODE_VOLUME_IMAGE:
	case NODE_VOLUME_NONE:
		return SP_OK;
	}
	SP_UNREACHABLE();
}
