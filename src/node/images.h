/* SPDX-License-Identifier: Apache-2.0 */
/* Which images may go when the disk is full: pure functions. U: kubernetes
 * pkg/kubelet/images/image_gc_manager.go. */
#pragma once

#include "base/map.h"
#include "contracts/cri.h"

/* Percent of the disk. U: kubelet's defaults. */
#define NODE_IMAGES_HIGH_DEFAULT 85u
#define NODE_IMAGES_LOW_DEFAULT 80u

typedef struct node_image {
	sp_str id;                      /* heap */
	int64_t first_ns, last_used_ns; /* wall clock; last_used_ns 0: never */
	uint64_t size;
	bool in_use, is_pinned, is_there, failed; /* failed: it could not be removed this time */
} node_image;

/* What is remembered of the images of the node, by their ids. */
typedef struct node_images {
	sp_map by_id;
} node_images;

void node_images_init(node_images *m);
void node_images_done(node_images *m);
/* After a look at the runtime. Those that are gone are forgotten. SP_ENOMEM: nothing may be removed. */
sp_code node_images_update(node_images *m, const sp_cri_list_images_response *images,
			   const sp_cri_list_containers_response *containers, int64_t now_ns,
			   sp_err *err) SP_MUST_USE;
/* Images that are mounted as volumes are used, too. After an update. */
void node_images_use_mounts(node_images *m, const sp_cri_container_status *c, int64_t now_ns);
/* The next to go: unused for the longest time, then known for the longest; NULL: none may. */
node_image *node_images_next(const node_images *m, int64_t now_ns, int64_t age_ns_min);
void node_images_forget(node_images *m, node_image *i);

typedef struct node_disk {
	uint64_t capacity, available;
	uint64_t inodes, inodes_free; /* both 0: the file system does not count them */
	uint64_t device;
} node_disk;

/* Of the file system that a path is on. Blocks, if shortly. SP_EIO. */
sp_code node_disk_read(sp_str path, node_disk *ret, sp_err *err) SP_MUST_USE;
/* In percent, of a capacity that is not 0. */
unsigned node_disk_used(const node_disk *d);
/* Bytes to be freed for `low` percent to be used; 0 while fewer than `high` are. */
uint64_t node_disk_surplus(const node_disk *d, unsigned high, unsigned low);
/* "1.5 GiB" */
void node_disk_size(char out[32], uint64_t bytes);
