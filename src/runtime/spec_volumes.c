/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of an image's configuration that a container needs a directory for. */
#include "runtime/spec.h"

/* "/a/./b//" as "/a/b"; a ".." takes the name before it. U: Go path.Clean, of "/" and the path. */
static sp_str clean(sp_str path, sp_arena *a)
{
	char *out = sp_try_new(a, char, path.len + 2);
	size_t n = 0;
	sp_str part;
	while (out != NULL && path.len > 0) {
		if (!sp_str_cut(&path, '/', &part)) {
			part = path;
			path.len = 0;
		}
		if (part.len == 0 || sp_str_eq(part, SP_STR(".")))
			continue;
		if (sp_str_eq(part, SP_STR(".."))) {
			while (n > 0 && out[--n] != '/')
				;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, part.ptr, part.len);
		n += part.len;
	}
	if (out != NULL && n == 0)
		out[n++] = '/';
	return (sp_str){out, n};
}

static bool is_mounted(const sp_cri_container_config *c, sp_str path, sp_arena *a)
{
	for (size_t i = 0; i < c->mounts.n; i++) {
		if (sp_str_eq(clean(c->mounts.at[i].container_path, a), path))
			return true;
	}
	return false;
}

sp_code rt_spec_volumes(const image_config *img, const sp_cri_container_config *c, sp_arena *a, sp_strs *ret,
			sp_err *err)
{
	sp_str *paths = sp_try_new(a, sp_str, img->volumes.n + 1);
	size_t n = 0;
	if (img->volumes.n >= SP_HOST_IMAGE_MOUNTS_MAX)
		return sp_fail(err, SP_EINVAL, "the image has %u volumes or more", SP_HOST_IMAGE_MOUNTS_MAX);
	for (size_t i = 0; paths != NULL && i < img->volumes.n; i++) {
		sp_str path = clean(img->volumes.items[i], a);
		bool is_new = path.len > 1 && !is_mounted(c, path, a);
		for (size_t k = 0; k < n && is_new; k++)
			is_new = !sp_str_eq(paths[k], path);
		if (path.ptr == NULL)
			paths = NULL;
		else if (is_new)
			paths[n++] = path;
	}
	*ret = (sp_strs){paths, n};
	return paths != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for the image's volumes");
}
