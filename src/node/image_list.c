/* SPDX-License-Identifier: Apache-2.0 */
#include "node/image_list.h"

#include <stdlib.h>

#define NAMES_MAX 5u /* U: MaxNamesPerImageInNodeStatus */

/* U: ByImageSize. */
static int compare(const void *x, const void *y)
{
	const sp_cri_image *a = *(const sp_cri_image *const *)x, *b = *(const sp_cri_image *const *)y;
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	return sp_str_cmp(b->id, a->id);
}

static void put_names(sp_jout *j, const sp_str *names, size_t n, size_t *ret_n)
{
	for (size_t i = 0; i < n && *ret_n < NAMES_MAX; i++, (*ret_n)++)
		sp_jout_str(j, names[i]);
}

sp_code node_image_list_write(const sp_cri_list_images_response *l, sp_arena *a, sp_jout *j, sp_err *err)
{
	const sp_cri_image **at = sp_try_new(a, const sp_cri_image *, l->images.n + 1);
	if (at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a list of images");
	for (size_t i = 0; i < l->images.n; i++)
		at[i] = &l->images.at[i];
	qsort((void *)at, l->images.n, sizeof(void *), compare);
	sp_jout_open(j, '[');
	for (size_t i = 0; i < SP_MIN(l->images.n, NODE_IMAGES_TOLD_MAX); i++) {
		size_t n_names = 0;
		sp_jout_open(j, '{');
		sp_jout_member_open(j, SP_STR("names"), '[');
		put_names(j, at[i]->repo_digests.at, at[i]->repo_digests.n, &n_names);
		put_names(j, at[i]->repo_tags.at, at[i]->repo_tags.n, &n_names);
		sp_jout_close(j, ']');
		sp_jout_member_i64(j, SP_STR("sizeBytes"), (int64_t)SP_MIN(at[i]->size, (uint64_t)INT64_MAX));
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
	return SP_OK;
}
