/* SPDX-License-Identifier: Apache-2.0 */
/* ImageService. U: containerd pkg/cri/server/image_*.go. */
#include "base/base64.h"
#include "base/num.h"
#include "runtime/rt_int.h"

/* ---- what is told ---- */

static bool pairs_of(sp_arena *a, sp_strs from, sp_str **ret_at, size_t *ret_n)
{
	sp_str *at = sp_try_new(a, sp_str, from.n + 1);
	if (at == NULL)
		return false;
	for (size_t i = 0; i < from.n; i++)
		at[i] = from.items[i];
	*ret_at = at;
	*ret_n = from.n;
	return true;
}

/* The user of the image: a number as uid, anything else as a name; root when it has none. */
static void set_user(sp_arena *a, sp_str user, sp_cri_image *ret)
{
	sp_str who;
	int64_t uid = 0;
	if (!sp_str_cut(&user, ':', &who))
		who = user;
	if (who.len > 0 && sp_parse_i64(who, 0, INT64_C(4294967294), &uid, NULL) != SP_OK) {
		ret->username = who;
		return;
	}
	ret->uid = sp_new(a, sp_cri_int64_value, 1);
	ret->uid->value = uid;
}

static sp_code fill(sp_arena *a, const image *img, sp_cri_image *ret, sp_err *err)
{
	*ret = (sp_cri_image){.id = img->id, .size = img->size_bytes, .pinned = img->pinned};
	if (!pairs_of(a, img->tags, &ret->repo_tags.at, &ret->repo_tags.n) ||
	    !pairs_of(a, img->digests, &ret->repo_digests.at, &ret->repo_digests.n))
		return sp_fail(err, SP_ENOMEM, "no memory for the image");
	set_user(a, img->config.user, ret);
	ret->spec = sp_new(a, sp_cri_image_spec, 1);
	ret->spec->image = img->id;
	return SP_OK;
}

sp_code rt_list_images(rt_job *j, sp_err *err)
{
	const sp_cri_list_images_request *q = j->request;
	sp_cri_list_images_response *a = sp_new(&j->arena, sp_cri_list_images_response, 1);
	size_t n;
	const image *const *all = image_list(j->r->opts->images, &n);
	const image *only = NULL;
	bool filtered = q->filter != NULL && q->filter->image != NULL && q->filter->image->image.len > 0;
	if (filtered) {
		only = image_find(j->r->opts->images, q->filter->image->image);
		all = &only;
		n = only != NULL ? 1 : 0;
	}
	a->images.at = sp_try_new(&j->arena, sp_cri_image, n + 1);
	if (a->images.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the list");
	for (size_t i = 0; i < n; i++)
		SP_TRY(fill(&j->arena, all[i], &a->images.at[a->images.n++], err));
	j->response = a;
	return SP_OK;
}

sp_code rt_image_status(rt_job *j, sp_err *err)
{
	const sp_cri_image_status_request *q = j->request;
	sp_cri_image_status_response *a = sp_new(&j->arena, sp_cri_image_status_response, 1);
	const image *img = q->image == NULL ? NULL : image_find(j->r->opts->images, q->image->image);
	j->response = a;
	if (img == NULL)
		return SP_OK; /* absence is no error here */
	a->image = sp_new(&j->arena, sp_cri_image, 1);
	return fill(&j->arena, img, a->image, err);
}

/* ---- pulling ---- */

/* "user:password" of the base64 form. */
static sp_code split_auth(rt_job *j, sp_str auth, image_credentials *ret, sp_err *err)
{
	size_t n;
	uint8_t *bytes = sp_arena_try_alloc(&j->arena, auth.len + 1);
	if (bytes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "the credentials are too long");
	SP_TRY(sp_base64_decode(auth, bytes, &n, err));
	sp_str both = {(const char *)bytes, n}, user;
	if (!sp_str_cut(&both, ':', &user))
		return sp_fail(err, SP_EINVAL, "invalid decoded auth");
	while (both.len > 0 && both.ptr[both.len - 1] == '\0')
		both.len--;
	ret->username = user;
	ret->password = both;
	return SP_OK;
}

static sp_code credentials(rt_job *j, const sp_cri_auth_config *a, image_credentials *ret, sp_err *err)
{
	*ret = (image_credentials){.username = {NULL, 0}};
	if (a == NULL)
		return SP_OK;
	ret->registry_token = a->registry_token;
	if (a->username.len > 0) {
		ret->username = a->username;
		ret->password = a->password;
	} else if (a->identity_token.len > 0) {
		ret->identity_token = a->identity_token;
	} else if (a->auth.len > 0) {
		return split_auth(j, a->auth, ret, err);
	}
	return SP_OK;
}

static void on_pulled(void *arg, sp_code code, const image *img, const sp_err *err)
{
	rt_job *j = arg;
	if (code == SP_OK) {
		sp_cri_pull_image_response *a = sp_new(&j->arena, sp_cri_pull_image_response, 1);
		a->image_ref = sp_arena_try_dup(&j->arena, img->id);
		j->response = a;
	}
	rt_job_resume(j, code == SP_OK ? NULL : err);
}

sp_code rt_pull_image(rt_job *j, sp_err *err)
{
	const sp_cri_pull_image_request *q = j->request;
	image_credentials who;
	image_pull *pull;
	if (q->image == NULL || q->image->image.len == 0)
		return sp_fail(err, SP_EINVAL, "no image to pull");
	SP_TRY(credentials(j, q->auth, &who, err));
	const image_pull_opts opts = {
		.reference = q->image->image, .credentials = &who, .done = on_pulled, .arg = j};
	SP_TRY(image_pull_start(j->r->opts->images, j->r->opts->registry, &opts, &pull, err));
	rt_job_wait(j);
	return SP_OK;
}

/* ---- removing ---- */

static void on_removed(void *arg, sp_code code, const sp_err *err)
{
	rt_job_resume(arg, code == SP_OK ? NULL : err);
}

sp_code rt_remove_image(rt_job *j, sp_err *err)
{
	const sp_cri_remove_image_request *q = j->request;
	if (q->image == NULL || q->image->image.len == 0)
		return sp_fail(err, SP_EINVAL, "no image to remove");
	rt_job_wait(j);
	image_remove(j->r->opts->images, q->image->image, on_removed, j);
	return SP_OK;
}

/* ---- usage ---- */

sp_code rt_image_fs_info(rt_job *j, sp_err *err)
{
	(void)err;
	image_usage u = image_fs_usage(j->r->opts->images);
	sp_cri_image_fs_info_response *a = sp_new(&j->arena, sp_cri_image_fs_info_response, 1);
	sp_cri_filesystem_usage *f = sp_new(&j->arena, sp_cri_filesystem_usage, 1);
	f->timestamp = sp_wall_ns(j->r->world);
	f->fs_id = sp_new(&j->arena, sp_cri_filesystem_identifier, 1);
	f->fs_id->mountpoint = j->r->opts->images_dir;
	f->used_bytes = sp_new(&j->arena, sp_cri_uint64_value, 1);
	f->used_bytes->value = u.bytes;
	f->inodes_used = sp_new(&j->arena, sp_cri_uint64_value, 1);
	f->inodes_used->value = u.inodes;
	a->image_filesystems.at = a->container_filesystems.at = f;
	a->image_filesystems.n = a->container_filesystems.n = 1;
	j->response = a;
	return SP_OK;
}
