"""Any score as pages, systems and strip: what is needed to follow it and to show it."""
