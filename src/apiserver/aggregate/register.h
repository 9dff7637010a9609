/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The APIServices of CustomResourceDefinitions: one for each group and version that some definition serves,
 * made and taken away by the server itself. One of that name that somebody else made is left alone. A write
 * that meets a conflict is lost: whoever was faster made an event, and that begins it anew. U: kubernetes
 * pkg/controlplane/controller/crdregistration, kube-aggregator pkg/controllers/autoregister.
 */
#pragma once

struct api_server;
typedef struct api_registrar api_registrar;

/* Begins when the loop runs. Aborts without memory. */
api_registrar *api_registrar_new(struct api_server *s);
/* Writes under way are finished by the store without it. NULL is a no-op. */
void api_registrar_free(api_registrar *g);
