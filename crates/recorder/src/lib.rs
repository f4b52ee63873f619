//! Python module trailkeeper._recorder: encode events, append them to the spool.
