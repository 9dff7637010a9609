/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions that the server itself keeps on objects of built-in kinds: whether a FlowSchema's priority level
 * exists, whether what serves an APIService can be there. An event on such an object, or on one that it
 * names, has all objects of the kind looked at: there are few. A write that meets a conflict is lost, for
 * whoever was faster made an event. U: apiserver pkg/util/flowcontrol/apf_controller.go, kube-aggregator
 * pkg/controllers/status.
 */
#pragma once

struct api_server;
typedef struct api_conditions api_conditions;

/* Begins when the loop runs. Aborts without memory. */
api_conditions *api_conditions_new(struct api_server *s);
/* Writes nothing more; writes under way are finished by the store without it. NULL is a no-op. */
void api_conditions_free(api_conditions *c);
/* Something that is no object has changed: looks at all again. */
void api_conditions_look(api_conditions *c);
