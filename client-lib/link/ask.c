/* ask.c: what others ask of a link; see link.h. */
#include "link/link.h"

bool ppi_link_is_closing(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool open = link->state == PPI_LINK_OPEN;
    ppi_mutex_unlock(&link->lock);
    return !open;
}

bool ppi_link_takes(struct ppi_link *link)
{
    ppi_mutex_lock(&link->lock);
    bool takes = link->state == PPI_LINK_OPEN && !link->mute;
    ppi_mutex_unlock(&link->lock);
    return takes;
}

int ppi_link_who(struct ppi_link *link, pp_peer *peer, char *exe, size_t size)
{
    int status = PP_ESTATE;

    ppi_mutex_lock(&link->lock); /* the pipe is there until the link is closing */
    if (link->state != PPI_LINK_CLOSING)
        status = peer != NULL ? pp_peer_get(link->pipe, peer) : PP_OK;
    if (status == PP_OK && exe != NULL)
        pp_peer_exe(link->pipe, exe, size);
    ppi_mutex_unlock(&link->lock);
    return status;
}
