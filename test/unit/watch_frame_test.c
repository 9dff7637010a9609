/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/watch_frame.h"

#include "lib/t.h"

static void end_event(void *arg)
{
	sp_store_event *e = arg;
	if (e->attached_free != NULL)
		e->attached_free(e->attached);
}

SP_TEST(watch_frame, is_shared_by_who_asks_for_the_same)
{
	static const api_resource res[2];
	static sp_store_event e;
	const api_frame_key keys[] = {
		{&res[0], API_MEDIA_JSON, 0}, {&res[0], API_MEDIA_JSON, 1}, {&res[0], API_MEDIA_PROTOBUF, 0},
		{&res[1], API_MEDIA_JSON, 0}, {&res[1], API_MEDIA_JSON, 1}, {&res[1], API_MEDIA_JSON, 2},
	};
	T_DEFER(end_event, &e);
	T_TRUE(api_frame_find(&e, &keys[0]) == NULL);
	for (size_t i = 0; i < SP_LEN(keys); i++) {
		char text[2] = {(char)('a' + i), '\0'};
		T_TRUE(api_frame_find(&e, &keys[i]) == NULL);
		sp_bytes *kept = api_frame_keep(&e, &keys[i], sp_str_c(text));
		if (kept == NULL)
			return; /* no memory */
		T_TRUE(api_frame_find(&e, &keys[i]) == kept);
	}
	for (size_t i = 0; i < SP_LEN(keys); i++)
		T_TRUE(api_frame_find(&e, &keys[i])->data[0] == (char)('a' + i));
	const api_frame_key more = {&res[1], API_MEDIA_PROTOBUF, 2};
	T_TRUE(api_frame_keep(&e, &more, SP_STR("x")) == NULL); /* full */
}
