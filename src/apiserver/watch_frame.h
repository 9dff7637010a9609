/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoded frames of a store's event, made by the first watcher that sends one and shared by the others.
 * They stand in the event and go with it.
 */
#pragma once

#include "apiserver/negotiate.h"
#include "apiserver/resource.h"
#include "store/store.h"

/* What makes two frames of one event equal. Shapes that hold the time or the request's wishes are not shared.
 */
typedef struct api_frame_key {
	const api_resource *res;
	api_media media;
	unsigned type; /* of the watch event */
} api_frame_key;

/* Borrowed from the event; NULL: not made yet. */
sp_bytes *api_frame_find(const sp_store_event *e, const api_frame_key *key);

/* Keeps a copy of the frame and gives it, borrowed. NULL: no room; then it is not shared. */
sp_bytes *api_frame_keep(sp_store_event *e, const api_frame_key *key, sp_str frame);
