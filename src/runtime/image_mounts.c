/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as volumes of containers: each mount of an image has a root filesystem of its own in the image
 * store, so the image stays as long as the container. Its key is that of the container's with ".<index of the
 * mount>" behind it, so it has an owner after any crash. The host process mounts it read-only below the
 * bundle, and its path there is the source of a bind mount. U: containerd
 * internal/cri/server/container_image_mount.go.
 */
#include "runtime/rt_int.h"

#define FAILED "ImageVolumeMountFailed: " /* U: cri-api pkg/errors ErrImageVolumeMountFailed */

sp_code rt_image_mount_check(const sp_cri_mount *m, sp_err *err)
{
	if (m->image == NULL)
		return SP_OK;
	if (m->host_path.len > 0)
		return sp_fail(err, SP_EINVAL, FAILED "hostpath must be empty while mount image");
	if (!m->readonly)
		return sp_fail(err, SP_EINVAL, FAILED "readonly must be true while mount image");
	if (m->image->image.len == 0)
		return sp_fail(err, SP_EINVAL, FAILED "image not specified");
	return SP_OK;
}

bool rt_has_image_mounts(const sp_cri_container_config *config)
{
	for (size_t i = 0; i < config->mounts.n; i++) {
		if (config->mounts.at[i].image != NULL)
			return true;
	}
	return false;
}

static sp_str key_of(sp_arena *a, sp_str id, size_t i)
{
	return sp_arena_printf(a, SP_FMT ".%zu", SP_ARG(id), i);
}

sp_str rt_rootfs_owner(sp_str key)
{
	ptrdiff_t dot = sp_str_index(key, '.');
	return dot < 0 ? key : sp_str_sub(key, 0, (size_t)dot);
}

void rt_image_mounts_tell(rt *r, sp_str id, const sp_cri_container_config *config, sp_arena *a,
			  sp_cri_container_status *ret)
{
	ret->mounts.n = config->mounts.n;
	ret->mounts.at = config->mounts.at;
	if (!rt_has_image_mounts(config))
		return;
	ret->mounts.at = sp_new(a, sp_cri_mount, config->mounts.n);
	for (size_t i = 0; i < config->mounts.n; i++) {
		sp_cri_mount *m = &ret->mounts.at[i];
		image_rootfs fs;
		*m = config->mounts.at[i];
		if (m->image == NULL || !image_rootfs_find(r->opts->images, key_of(a, id, i), a, &fs))
			continue;
		m->image = sp_new(a, sp_cri_image_spec, 1);
		*m->image = *config->mounts.at[i].image;
		m->image->image_ref = sp_arena_try_dup(a, fs.image_id);
	}
}

/* ---- jobs ---- */

typedef struct images {
	sp_str id;
	const sp_cri_container_config *config;
	sp_arena *arena; /* of the paths */
	sp_str *paths;
	sp_host_rootfs_mount *view; /* of the mount j->i */
} images;

/* Puts j->i at the next mount that is an image; false: there is none. */
static bool next(rt_job *j)
{
	const images *m = j->data;
	while (j->i < m->config->mounts.n && m->config->mounts.at[j->i].image == NULL)
		j->i++;
	return j->i < m->config->mounts.n;
}

/* kubelet knows these errors by how they begin. */
static void on_mounts_end(rt_job *j)
{
	const sp_err why = j->err;
	if (j->code != SP_OK)
		(void)sp_fail(&j->err, why.code, FAILED "%s", why.msg);
}

static void on_prepared(void *arg, sp_code code, const image_rootfs *fs, const sp_err *err)
{
	rt_job *j = arg;
	images *m = j->data;
	if (code != SP_OK) {
		rt_job_resume(j, err);
		return;
	}
	sp_str *lower = sp_new(&j->arena, sp_str, fs->lower.n + 1);
	for (size_t i = 0; i < fs->lower.n; i++)
		lower[i] = sp_arena_try_dup(&j->arena, fs->lower.items[i]);
	m->view = sp_new(&j->arena, sp_host_rootfs_mount, 1);
	*m->view = (sp_host_rootfs_mount){.id = m->id,
					  .snapshots_dir = sp_arena_try_dup(&j->arena, fs->snapshots_dir),
					  .upper = sp_arena_try_dup(&j->arena, fs->upper),
					  .work = sp_arena_try_dup(&j->arena, fs->work),
					  .user_xattr = fs->user_xattr};
	const sp_cri_user_namespace *users = rt_sandbox_users(j->sandbox);
	if (users != NULL) {
		m->view->users_of = j->sandbox->rec.id;
		m->view->uid = users->uids.at[0].host_id;
		m->view->gid = users->gids.at[0].host_id;
	}
	m->view->lower.at = lower;
	m->view->lower.n = fs->lower.n;
	rt_job_resume(j, NULL);
}

static sp_code prepare(rt_job *j, sp_err *err)
{
	const images *m = j->data;
	if (!next(j)) {
		j->steps = NULL;
		return SP_OK;
	}
	sp_str reference = m->config->mounts.at[j->i].image->image;
	const image *img = image_find(j->r->opts->images, reference);
	if (img == NULL)
		return sp_fail(err, SP_ENOTFOUND, "failed to resolve image \"" SP_FMT "\": not found",
			       SP_ARG(reference));
	rt_job_wait(j);
	image_rootfs_prepare(j->r->opts->images, sp_arena_try_dup(&j->arena, img->id),
			     key_of(&j->arena, m->id, j->i), on_prepared, j);
	return SP_OK;
}

static sp_code on_mounted(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_image_mounted *r = response;
	images *m = j->data;
	(void)err;
	m->paths[j->i++] = sp_arena_try_dup(m->arena, r->path);
	return SP_OK;
}

static sp_code mount(rt_job *j, sp_err *err)
{
	const images *m = j->data;
	const sp_host_image_mount ask = {.view = m->view,
					 .number = (uint32_t)j->i,
					 .sub_path = m->config->mounts.at[j->i].image_sub_path};
	(void)err;
	j->steps -= 2; /* the next one */
	return rt_job_host(j, SP_HOST_IMAGE_MOUNT, &ask, on_mounted);
}

static void on_removed(void *arg, sp_code code, const sp_err *err)
{
	rt_job_resume(arg, code == SP_OK ? NULL : err);
}

static sp_code remove_next(rt_job *j, sp_err *err)
{
	const images *m = j->data;
	(void)err;
	if (!next(j))
		return SP_OK;
	j->steps--;
	rt_job_wait(j);
	image_rootfs_remove(j->r->opts->images, key_of(&j->arena, m->id, j->i++), on_removed, j);
	return SP_OK;
}

static rt_step *const mount_steps[] = {prepare, mount, NULL};
static rt_step *const remove_steps[] = {remove_next, NULL};

static rt_job *new_job(rt *r, rt_step *const *steps, sp_str id, const sp_cri_container_config *config)
{
	rt_job *j = rt_job_new(r, steps);
	images *m = sp_new(&j->arena, images, 1);
	*m = (images){.id = sp_arena_try_dup(&j->arena, id), .config = config};
	j->data = m;
	return j;
}

rt_job *rt_image_mounts_job(rt_sandbox *s, sp_str id, const sp_cri_container_config *config, sp_arena *a,
			    sp_str *ret_paths)
{
	rt_job *j = new_job(s->r, mount_steps, id, config);
	images *m = j->data;
	rt_job_set_sandbox(j, s);
	m->arena = a;
	m->paths = ret_paths;
	j->on_end = on_mounts_end;
	return j;
}

rt_job *rt_image_mounts_remove_job(rt *r, sp_str id, const sp_cri_container_config *config)
{
	return new_job(r, remove_steps, id, config);
}
