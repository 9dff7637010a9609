/* SPDX-License-Identifier: Apache-2.0 */
/* Images in the node's status. */
#include "lib/t.h"
#include "node/image_list.h"

static sp_str written(const sp_cri_list_images_response *l)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	sp_jout j = sp_jout_to(&out);
	if (node_image_list_write(l, T_ARENA, &j, T_ERR) != SP_OK)
		return SP_STR("!");
	return sp_arena_printf(T_ARENA, SP_FMT, SP_ARG(sp_buf_view(&out)));
}

SP_TEST(node_image_list, largest_first)
{
	sp_str tags[] = {SP_STR("t1"), SP_STR("t2"), SP_STR("t3"), SP_STR("t4")},
	       digests[] = {SP_STR("d1"), SP_STR("d2")};
	sp_cri_image at[] = {
		{.id = SP_STR("a"), .size = 1, .repo_tags = {tags, 1}},
		{.id = SP_STR("b"), .size = 3, .repo_tags = {tags, 4}, .repo_digests = {digests, 2}},
		{.id = SP_STR("c"), .size = 1, .repo_digests = {digests, 1}},
		{.id = SP_STR("d"), .size = 2},
	};
	T_EQ_C(written(&(sp_cri_list_images_response){.images = {at, SP_LEN(at)}}),
	       "[{\"names\":[\"d1\",\"d2\",\"t1\",\"t2\",\"t3\"],\"sizeBytes\":3},"
	       "{\"names\":[],\"sizeBytes\":2},{\"names\":[\"d1\"],\"sizeBytes\":1},{\"names\":[\"t1\"],"
	       "\"sizeBytes\":1}]");
	T_EQ_C(written(&(sp_cri_list_images_response){.images = {at, 0}}), "[]");
}

SP_TEST(node_image_list, no_more_than_fifty)
{
	sp_cri_image at[60] = {{.size = 0}};
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(at); i++)
		at[i].size = i;
	sp_str text = written(&(sp_cri_list_images_response){.images = {at, SP_LEN(at)}});
	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '{';
	T_EQ_U64(n, NODE_IMAGES_TOLD_MAX);
	T_TRUE(sp_str_find(text, SP_STR("\"sizeBytes\":10}")) >= 0);
	T_TRUE(sp_str_find(text, SP_STR("\"sizeBytes\":9}")) < 0);
}
