/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config.h"
#include "node/security.h"

typedef struct build {
	const node_pod *pod;
	const node_container *c;
	const node_place *place;
	const node_volumes *volumes;
	const node_env *env;
	sp_arena *arena;
	node_mounts *out;
} build;

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for the mounts of a container");
}

static int32_t propagation_of(sp_str text)
{
	if (sp_str_eq(text, SP_STR("HostToContainer")))
		return SP_CRI_PROPAGATION_HOST_TO_CONTAINER;
	return sp_str_eq(text, SP_STR("Bidirectional")) ? SP_CRI_PROPAGATION_BIDIRECTIONAL
							: SP_CRI_PROPAGATION_PRIVATE;
}

/* No variable may be unknown or empty. U: ExpandContainerVolumeMounts. */
static sp_code expand_sub_path(build *b, sp_str expr, sp_str *ret, sp_err *err)
{
	node_missing missing;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	node_expand(&out, expr, b->env, &missing);
	if (missing.n > 0) {
		sp_buf_clear(&out);
		for (size_t i = 0; i < missing.n; i++) {
			(void)sp_buf_str(&out, i == 0 ? SP_STR("") : SP_STR(", "));
			(void)sp_buf_str(&out, missing.at[i]);
		}
		return sp_fail(err, SP_EINVAL, "missing value for " SP_FMT, SP_ARG(sp_buf_view(&out)));
	}
	SP_TRY(sp_buf_code(&out));
	*ret = sp_arena_try_dup(b->arena, sp_buf_view(&out));
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

/* The sub-path of a mount, expanded; empty: the whole volume. */
static sp_code sub_path_of(build *b, yyjson_val *mount, sp_str *ret, sp_err *err)
{
	sp_str expr = sp_view_str_at(mount, "subPathExpr");
	*ret = sp_view_str_at(mount, "subPath");
	if (expr.len != 0)
		SP_TRY(expand_sub_path(b, expr, ret, err));
	sp_str rest = *ret, part;
	bool more = ret->len > 0;
	if (more && ret->ptr[0] == '/')
		return sp_fail(err, SP_EINVAL, "subPath \"" SP_FMT "\" must not be an absolute path",
			       SP_ARG(*ret));
	while (more) {
		more = sp_str_cut(&rest, '/', &part);
		if (sp_str_eq(more ? part : rest, SP_STR("..")))
			return sp_fail(err, SP_EINVAL, "subPath \"" SP_FMT "\" must not contain '..'",
				       SP_ARG(*ret));
	}
	return SP_OK;
}

static sp_code add_sub_path(build *b, const node_volume *v, sp_str rel, size_t i, sp_cri_mount *m,
			    sp_err *err)
{
	node_sub_path *s = &b->out->subs[b->out->n_subs++];
	sp_str index = sp_arena_printf(b->arena, "%zu", i);
	s->base = v->dir;
	s->rel = rel;
	s->target =
		SP_CONCAT(b->arena, b->place->root, SP_STR("/pods/"), b->pod->v.uid,
			  SP_STR("/volume-subpaths/"), v->name, SP_STR("/"), b->c->name, SP_STR("/"), index);
	m->host_path = s->target;
	return s->target.ptr == NULL ? no_room(err) : SP_OK;
}

/* U: getImageVolumes: the runtime finds the sub-path, too. */
static sp_code add_image(build *b, const node_volume *v, sp_str rel, sp_cri_mount *m, sp_err *err)
{
	m->image = sp_try_new(b->arena, sp_cri_image_spec, 1);
	if (m->image == NULL)
		return no_room(err);
	*m->image = (sp_cri_image_spec){.image = v->image_ref, .user_specified_image = v->image};
	m->image_sub_path = rel;
	return SP_OK;
}

static sp_code add_volume(build *b, yyjson_val *mount, size_t i, bool *hides_hosts, sp_err *err)
{
	sp_str name = sp_view_str_at(mount, "name"), path = sp_view_str_at(mount, "mountPath"), rel;
	const node_volume *v = node_volumes_find(b->volumes, name);
	sp_cri_mount *m = &b->out->at[b->out->n];
	if (v == NULL || v->kind == NODE_VOLUME_NONE)
		return sp_fail(err, SP_EINVAL,
			       "cannot find volume \"" SP_FMT "\" to mount into container \"" SP_FMT "\"",
			       SP_ARG(name), SP_ARG(b->c->name));
	if (path.len > 0 && path.ptr[0] != '/')
		path = SP_CONCAT(b->arena, SP_STR("/"), path);
	*hides_hosts |= sp_str_eq(path, SP_STR("/etc/hosts"));
	*m = (sp_cri_mount){.container_path = path,
			    .host_path = v->dir,
			    .readonly = yyjson_get_bool(sp_view_at(mount, "readOnly")) ||
					v->plain_read_only || v->kind == NODE_VOLUME_FILES ||
					v->kind == NODE_VOLUME_IMAGE,
			    .propagation = propagation_of(sp_view_str_at(mount, "mountPropagation"))};
	SP_TRY(sub_path_of(b, mount, &rel, err));
	if (v->kind == NODE_VOLUME_IMAGE)
		SP_TRY(add_image(b, v, rel, m, err));
	else if (rel.len != 0)
		SP_TRY(add_sub_path(b, v, rel, i, m, err));
	b->out->n++;
	return path.ptr == NULL ? no_room(err) : SP_OK;
}

static sp_code add_own(build *b, bool hides_hosts, sp_str salt, sp_err *err)
{
	node_mounts *o = b->out;
	/* Every pod sees its own hosts file, also on the node's network. */
	if (!hides_hosts) {
		o->has_hosts = true;
		o->at[o->n++] = (sp_cri_mount){.container_path = SP_STR("/etc/hosts"),
					       .host_path = node_hosts_path(b->arena, b->place, b->pod)};
		if (o->at[o->n - 1].host_path.ptr == NULL)
			return no_room(err);
	}
	if (b->c->v.termination_path.len == 0)
		return SP_OK;
	o->termination_log = SP_CONCAT(b->arena, b->place->root, SP_STR("/pods/"), b->pod->v.uid,
				       SP_STR("/containers/"), b->c->name, SP_STR("/"), salt);
	if (o->termination_log.ptr == NULL)
		return no_room(err);
	o->at[o->n++] =
		(sp_cri_mount){.container_path = b->c->v.termination_path, .host_path = o->termination_log};
	return SP_OK;
}

/* What belongs to a user of the host belongs to that user of the pod: the files keep their owners. U:
 * applyPlatformSpecificContainerConfig. */
static sp_code map_ids(build *b, sp_err *err)
{
	sp_cri_id_mapping *ids = node_pod_ids(b->pod, b->arena);
	if (ids == NULL)
		return no_room(err);
	for (size_t i = 0; b->pod->ids_from != 0 && i < b->out->n; i++) {
		sp_cri_mount *m = &b->out->at[i];
		m->uid_mappings.at = m->gid_mappings.at = ids;
		m->uid_mappings.n = m->gid_mappings.n = 1;
	}
	return SP_OK;
}

sp_code node_mounts_make(const node_pod *p, const node_container *c, const node_place *place,
			 const node_volumes *volumes, const node_env *env, sp_str salt, sp_arena *a,
			 node_mounts *ret, sp_err *err)
{
	build b = {.pod = p, .c = c, .place = place, .volumes = volumes, .env = env, .arena = a, .out = ret};
	bool hides_hosts = false;
	size_t i = 0;
	*ret = (node_mounts){.at = sp_try_new(a, sp_cri_mount, c->v.mounts.n + 2),
			     .subs = sp_try_new(a, node_sub_path, c->v.mounts.n + 1)};
	if (ret->at == NULL || ret->subs == NULL)
		return no_room(err);
	SP_VLIST_FOREACH(mount, c->v.mounts)
	SP_TRY(add_volume(&b, mount, i++, &hides_hosts, err));
	SP_TRY(add_own(&b, hides_hosts, salt, err));
	return map_ids(&b, err);
}
