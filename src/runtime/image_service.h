/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampan.image.v1.Images (contracts/image_service.h) on the runtime's socket: whoever may ask for containers
 * may ask for images. Files travel as bytes, since the runtime may not read what is the client's; they stand
 * in DIR/transfer meanwhile.
 */
#pragma once

#include "io/grpc.h"
#include "runtime/image/pull.h"

typedef struct image_service image_service;

/*
 * Blocks (start-up): makes DIR/transfer, empties it of what a crash left, and writes `address` to DIR/server,
 * where clients look. `dir` is that of the store; it, the store, the registry and the text of the address
 * outlive the service.
 */
sp_code image_service_new(sp_world *w, image_store *store, image_registry *registry, sp_str dir,
			  sp_str address, image_service **ret, sp_err *err) SP_MUST_USE;
/* For sp_grpc_server_opts; stays as long as the service. */
const sp_grpc_service *image_service_methods(const image_service *s);
/* After the server was closed: cancels pulls; done comes when nothing runs any more (closing the store ends
 * the rest), and the service is gone. */
void image_service_close(image_service *s, void (*done)(void *arg), void *arg);
