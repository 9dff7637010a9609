/* SPDX-License-Identifier: Apache-2.0 */
/* Which images may go. */
#include "lib/t.h"
#include "node/images.h"

#define AGE 100

static sp_cri_image images[] = {{.id = SP_STR_INIT("a"), .size = 1},
				{.id = SP_STR_INIT("b"), .size = 2},
				{.id = SP_STR_INIT("c"), .size = 3, .pinned = true},
				{.id = SP_STR_INIT("d"), .size = 4}};

static sp_code update(node_images *m, size_t n, const char *used, int64_t now)
{
	sp_cri_container c = {.image_id = sp_str_c(used), .image_ref = SP_STR("d")};
	const sp_cri_list_images_response i = {.images = {.at = images, .n = n}};
	const sp_cri_list_containers_response l = {.containers = {.at = &c, .n = 1}};
	return node_images_update(m, &i, &l, now, T_ERR);
}

static void done(void *arg)
{
	node_images_done(arg);
}

SP_TEST(node_images, order)
{
	node_images *m = sp_new(T_ARENA, node_images, 1);
	node_images_init(m);
	T_DEFER(done, m);
	T_OK(update(m, 2, "a", 1000));
	T_TRUE(node_images_next(m, 1000, AGE) == NULL); /* too new */
	T_OK(update(m, 4, "b", 1050));
	T_TRUE(node_images_next(m, 1099, AGE) == NULL);
	/* b is used now, c pinned, d too new; a was used before. */
	node_image *i = node_images_next(m, 1100, AGE);
	T_TRUE(i != NULL);
	T_EQ_C(i->id, "a");
	i->failed = true;
	T_TRUE(node_images_next(m, 1100, AGE) == NULL);
	/* d was never used, so it goes before those that were; failures are tried again. */
	T_OK(update(m, 4, "none", 2000));
	static const char *const want[] = {"d", "a", "b"};
	for (size_t k = 0; k < SP_LEN(want); k++) {
		i = node_images_next(m, 2000, AGE);
		T_TRUE(i != NULL);
		T_EQ_C(i->id, want[k]);
		node_images_forget(m, i);
	}
	T_TRUE(node_images_next(m, 2000, AGE) == NULL);
	/* One that comes back is new again; a runtime that knows references only. */
	T_OK(update(m, 4, "", 3000));
	T_TRUE(node_images_next(m, 3050, AGE) == NULL);
	T_OK(update(m, 4, "", 3100));
	T_EQ_C(node_images_next(m, 3100, AGE)->id, "a");
	T_OK(update(m, 0, "", 3200));
	T_EQ_U64(sp_map_count(&m->by_id), 0);
}

SP_TEST(node_images, volumes_are_used)
{
	sp_cri_image_spec a = {.image = SP_STR("a"), .user_specified_image = SP_STR("b")},
			  none = {.image = SP_STR("none")};
	sp_cri_mount mounts[] = {{.host_path = SP_STR("/d")}, {.image = &none}, {.image = &a}};
	const sp_cri_container_status c = {.mounts = {.at = mounts, .n = SP_LEN(mounts)}};
	node_images *m = sp_new(T_ARENA, node_images, 1);
	node_images_init(m);
	T_DEFER(done, m);
	T_OK(update(m, 2, "", 1000));
	node_images_use_mounts(m, &c, 1000);
	T_OK(update(m, 2, "", 2000));
	node_images_use_mounts(m, &c, 2000);
	node_image *i = node_images_next(m, 2000, AGE);
	T_TRUE(i != NULL);
	T_EQ_C(i->id, "b");
	node_images_forget(m, i);
	T_TRUE(node_images_next(m, 2000, AGE) == NULL);
	/* It was used later than one that nobody ever used. */
	T_OK(update(m, 2, "", 3000));
	T_TRUE(node_images_next(m, 3000, AGE) == sp_map_get(&m->by_id, SP_STR("a")));
	T_EQ_U64(node_images_next(m, 3000, AGE)->last_used_ns, 2000);
}

SP_TEST(node_images, disk)
{
	static const struct {
		uint64_t capacity, available, surplus;
		unsigned used;
	} rows[] = {{100, 100, 0, 0},
		    {100, 200, 0, 0},
		    {100, 16, 0, 84},
		    {100, 15, 5, 85},
		    {100, 0, 20, 100},
		    {1000, 159, 41, 85},
		    {UINT64_MAX, 0, UINT64_MAX / 5, 100}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const node_disk d = {.capacity = rows[i].capacity, .available = rows[i].available};
		t_row("%zu", i);
		T_EQ_U64(node_disk_used(&d), rows[i].used);
		T_EQ_U64(node_disk_surplus(&d, 85, 80), rows[i].surplus);
	}
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {{0, "0 B"},
		     {1023, "1023 B"},
		     {1536, "1.5 KiB"},
		     {UINT64_C(1) << 20, "1.0 MiB"},
		     {UINT64_C(5) << 40, "5.0 TiB"},
		     {UINT64_C(5) << 50, "5120.0 TiB"}};
	for (size_t i = 0; i < SP_LEN(sizes); i++) {
		char text[32];
		node_disk_size(text, sizes[i].bytes);
		T_EQ_C(sp_str_c(text), sizes[i].text);
	}
}
